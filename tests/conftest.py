"""An empty folder to run in for each test, and the command line as users have it."""

from __future__ import annotations

import atexit
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from fastrun.config.settings import Settings
from fastrun.storage.atomic import sha256_of
from fastrun.storage.checkpoint.files import SavedCheckpoint, checkpoint_path
from fastrun.storage.run_dir import RunDir

sys.path.insert(0, str(Path(__file__).parent))
from forking import Forking

sys.path.pop(0)

ROOT = Path(__file__).resolve().parents[1]

Shell = Callable[..., subprocess.CompletedProcess[str]]


QUICK_SHARE = 6


def pytest_configure() -> None:
    """Keep what runs measure and decode out of the user's cache folder."""
    if "FASTRUN_CACHE" not in os.environ:
        folder = tempfile.mkdtemp(prefix="fastrun-cache-")
        os.environ["FASTRUN_CACHE"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow the cases of a sampled test but every sixth, and skip the longest tests outside of test-all.

    What takes a minute or more starts first, so that no process works on it alone at the end.
    """
    items.sort(key=lambda item: item.get_closest_marker("first") is None)
    counts: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("sampled"):
            name = item.nodeid.partition("[")[0]
            if counts[name] % QUICK_SHARE:
                item.add_marker("slow")
            counts[name] += 1
        if item.get_closest_marker("full") and "FASTRUN_FULL" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="takes long: part of make test-all"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; modules imported from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def shell(folder: Path, forking: Forking) -> Shell:
    """Run fastrun in a fork of a process that has torch loaded, in the empty folder."""
    return lambda *arguments, **environment: forking.run(folder, *arguments, **environment)


@pytest.fixture
def new_process(folder: Path) -> Shell:
    """Run fastrun in a new process, in the empty folder: for what happens before torch is loaded, or to processes."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error::DeprecationWarning:fastrun", "-m", "fastrun", *arguments]
        environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment
        return subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=environ, timeout=120, check=False
        )

    return run


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """A process that has imported torch, and runs command lines in forks of itself."""
    server = Forking()
    yield server
    server.close()


@pytest.fixture
def lines() -> Callable[[Path], list[dict[str, Any]]]:
    """Read a metrics.jsonl."""
    return lambda run: [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def make_run() -> Callable[..., Path]:
    """Write a run directory as a run leaves one, without training."""

    def make(
        path: Path,
        status: str = "finished",
        best: float | None = 0.9,
        *,
        overrides: Sequence[str] = (),
        started: float = 1.79e9,
        target: float | None = None,
        choices: dict[str, str] | None = None,
        checkpoints: Mapping[int, float] = MappingProxyType({}),
        **parts: Any,
    ) -> Path:
        settings = replace(Settings(), **parts)
        settings.choices = {"recipe": "mlp_fast", "data": "digits", "model": "mlp"} | (choices or {})
        run = RunDir.create(path, settings, ["+recipe=mlp_fast", *overrides])
        run.begin()
        times = {"status": status, "started": started, "updated": started + 30}
        (path / "status.json").write_text(json.dumps(run.read("status.json") | times))
        run.append([{"step": 10, "epoch": 1, "train_seconds": 1.5, "val/acc": best}] if best is not None else [])
        if status == "finished":
            measured = None if best is None else {"metric": "val/acc", "value": best, "step": 10}
            reached = {"value": target, "reached": target is not None, "train_seconds": target and 1.5, "steps": 10}
            clock = {"train": 2.0, "data_wait": 0.5, "total": 9.0}
            run.write_summary({"best": measured, "target": reached, "clock": clock, "steps": 20, "stopped": None})
        for step, value in checkpoints.items():
            file = checkpoint_path(run.checkpoints, step)
            file.write_bytes(b"weights" * 100)
            SavedCheckpoint(file, step, sha256_of(file), file.stat().st_size, {"val/acc": value}).write_manifest()
        return path

    return make


@pytest.fixture
def make_study(make_run: Callable[..., Path]) -> Callable[..., Path]:
    """Write the folder of a study of six blocks as it is in the pilot, in a block, or at its end, without training."""

    def make(path: Path, blocks: int = 0, *, has_verdicts: bool = False, started: float = 1.79e9) -> Path:
        names = ["0-arm=full,seed=1000000", "1-arm=full,seed=1000000,steps=68"]
        for block in range(blocks):
            arms = (("full", 6000), ("full_again", 2006000), ("full_-_norm", 6000))
            names += [
                f"{len(names) + at}-arm={arm},seed={seed + block},steps=34" for at, (arm, seed) in enumerate(arms)
            ]
        if has_verdicts:
            names += [f"{len(names)}-arm=full,seed=6000,steps=500,pace=round_1_on_916d42"]
        for name in names:
            steps = name.partition("steps=")[2].partition(",")[0]
            lacks = {"norm": "none"} if "_-_" in name else {}
            given = {"steps": int(steps)} if steps else {}
            seed = int(name.partition("seed=")[2].partition(",")[0])
            make_run(path / "runs" / name, best=0.99, started=started, choices=lacks, seed=seed, **given)
        (path / "study.json").write_text(json.dumps({"factors": [{"name": "norm", "key": "norm"}]}))
        if blocks:
            plan = {"seeds": [*range(6000, 6006)], "again_seeds": [*range(2006000, 2006006)]}
            (path / "plan.json").write_text(json.dumps(plan))
        if has_verdicts:
            (path / "verdicts.json").write_text("[]")
        (path / "runs" / "sweep.json").write_text("{}")
        (path / "runs" / "ledger").mkdir()
        (path / "lock").write_text("")
        return path

    return make


@pytest.fixture
def disk_full_after() -> Callable[[int], AbstractContextManager[None]]:
    """Let the system refuse to write more than so many bytes into a file, for a block."""

    @contextmanager
    def full(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full
