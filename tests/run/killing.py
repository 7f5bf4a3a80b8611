"""Kills runs at random moments and lets them go on, each in a fork of this process, which has imported everything.

A run may train up to a step at which it waits, so that there is something left for the kills to come; most are killed
at a random moment before that. ``gate.py``, which the test writes, is the callback that waits.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from fastrun.cli.main import main
from fastrun.compose import hydra_main  # noqa: F401 (so that no fork has to import it)
from fastrun.run import ddp, resume, summary  # noqa: F401
from fastrun.storage.run_dir import RunDir
from fastrun.training.builders import setup  # noqa: F401

sys.path.append(".")
import gate

UNLIKE = {"clock", "train_seconds", "wall_seconds", "callbacks", "config"}  # of two runs that are the same
SECONDS = 300  # after which a run hangs


def forked(run: Path, settings: list[str], saving: bool = False, **moment: int) -> tuple[int, int]:
    """Train or resume; return the process, and a pipe that has something to read when the moment has come."""
    begun, ended = os.pipe()
    child = os.fork()
    if child:
        os.close(ended)
        return child, begun
    signal.alarm(SECONDS)
    for stream in (1, 2):
        os.dup2(os.open(f"{run.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    if moment:
        for name, value in {"tell": ended, **moment}.items():
            setattr(gate, name, value)
    if saving:
        save = torch.save
        torch.save = lambda *given: (os.write(ended, b"."), save(*given))
    here = (run / "config.yaml").exists()
    os._exit(main(["resume", str(run)] if here else ["train", *settings, f"hydra.run.dir={run}"]))


def killed(run: Path, settings: list[str], chance: random.Random, kind: str, target: int, limit: int) -> int | None:
    """Kill a run; return the exit code of one that ended before, as one that is refused."""
    child, told = forked(run, settings, kind == "save", target=target if kind == "step" else limit, limit=limit)
    select.select([told], [], [], chance.uniform(0, 0.25) if kind == "start" else 60)
    time.sleep(chance.uniform(0, 0.02))
    family = [child, *descendants(child)]
    os.kill(chance.choice(family) if kind == "any" else child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(told)
    assert gone(family), f"{run}: processes stayed behind: {family}"
    directory = RunDir(run)
    if code >= 0 and kind != "any":
        return code
    assert directory.status() in ("killed", "unknown", "failed"), f"{run}: {kind}"
    assert all(saved.is_good() for saved in directory.saved_checkpoints()), f"{run}: {kind}"
    return None


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have."""
    try:
        own = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return own + [inner for one in own for inner in descendants(one)]


def gone(pids: list[int]) -> bool:
    """Whether processes have ended, or do so soon."""
    deadline = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def whole(run: Path, settings: list[str]) -> int:
    """Let a run end, and return its exit code."""
    child, told = forked(run, settings)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(told)
    return code


def content(run: Path) -> str:
    """A hash of all that a run has left, but for seconds: its newest checkpoint and its metrics."""
    digest = sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(value.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
        elif isinstance(value, dict):
            for key in sorted(value.keys() - UNLIKE, key=str):
                digest.update(str(key).encode())
                add(value[key])
        elif isinstance(value, (list, tuple)):
            for inner in value:
                add(inner)
        else:
            digest.update(repr(value).encode())

    add(torch.load(max(run.glob("checkpoints/*.ckpt")), weights_only=True))
    add([json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()])
    return digest.hexdigest()


def killed_often(kills: int, steps: int, settings: list[str]) -> dict[str, Any]:
    """Kill one run many times."""
    chance, newest, run = random.Random(0), [], Path("run")
    assert whole(Path("alone"), settings) == 0, Path("alone.log").read_text()
    for number in range(kills):
        limit = steps * (number + 1) // kills - 1 if number else 2  # the first one comes before anything is saved
        kind, target = chance.choice(["start", "step", "step", "save"]) if number else "step", chance.randint(0, limit)
        assert killed(run, settings, chance, kind, target, limit) is None, Path("run.log").read_text()
        newest.append([one.step for one in RunDir(run).saved_checkpoints()][:1])
    assert whole(run, settings) == 0, Path("run.log").read_text()
    return {"newest": newest, "alone": content(Path("alone")), "killed": content(run)}


def mix(number: int, steps: int, fixed: list[str], options: list[list[list[str]]], processes: int) -> str:
    """Kill a run of options that are drawn at random, and compare it with one left alone.

    Returns:
        An empty text where they are the same, "refused" where the options exclude each other, else what differs.
    """
    chance = random.Random(f"{number} {processes}")
    chosen = [value for choices in options for value in chance.choice(choices)]
    settings, kinds = [*fixed, f"seed={number}", *chosen], ["start", "step", "step", "save"]
    if processes > 1:
        settings, kinds = [*settings, "device=ddp", f"device.count={processes}"], ["step", "any"]
    name = f"{number}-{processes}"
    alone, run = Path(f"alone-{name}"), Path(f"run-{name}")
    code = whole(alone, settings)
    if code == 2:
        return "refused"
    said = f"mix {name}: {' '.join(settings)}: "
    if code:
        return f"{said}exit code {code}: {Path(f'{alone.name}.log').read_text()[-500:]}"
    for kill in range(chance.randint(1, 3) if processes == 1 else 1):
        limit = steps * (kill + 1) // 3 - 1
        ended = killed(run, settings, chance, chance.choice(kinds), chance.randint(0, limit), limit)
        if ended is not None:
            return f"{said}ended with {ended} before it was killed: {Path(f'{run.name}.log').read_text()[-500:]}"
    code = whole(run, settings)
    if code:
        return f"{said}exit code {code} on resuming: {Path(f'{run.name}.log').read_text()[-500:]}"
    return "" if content(alone) == content(run) else f"{said}differs"


def lane(numbers: range, seconds: float, *rest: Any) -> list[str]:
    """Try mixes until the time is over."""
    found, deadline = [], time.monotonic() + seconds
    for number in numbers:
        if time.monotonic() > deadline:
            break
        found.append(mix(number, *rest))
    return found


def mixes(count: int, lanes: int, seconds: float, *rest: Any) -> list[str]:
    """Try mixes on several cores at a time, each in a fork."""
    children = []
    for own in range(lanes):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, json.dumps(lane(range(own, count, lanes), seconds, *rest)).encode())
            os._exit(0)
        os.close(write)
        children.append((child, read))
    found = []
    for child, read in children:
        with open(read) as pipe:  # noqa: PTH123 (a pipe)
            found += json.load(pipe)
        os.waitpid(child, 0)
    return found


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*json.loads(sys.argv[2]))))
