"""The other processes of a run on several devices.

Lightning would run the user's command line again for each; that would compose again, and make run directories of its
own. Here the first process starts the others and hands them its settings, and Lightning finds all of them there.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fastrun import redaction
from fastrun.config.settings import Settings
from fastrun.errors import FastrunError, OutOfMemory, ProcessEnded
from fastrun.run.children import LOST, Child, Children, write_report
from fastrun.system.cores import allowed_cores
from fastrun.system.place import Place, find_place
from fastrun.system.process import end_with_parent

if TYPE_CHECKING:
    from fastrun.training.builders.setup import Setup

_SECONDS = 15.0  # for a process whose connection broke to end
_LAST_SECONDS = 60.0  # for the others to end once the first one has trained

log = logging.getLogger("fastrun")


@contextmanager
def other_processes(run: Path, settings: Settings, setup: Setup, resume: Path | None) -> Iterator[None]:
    """Have the other processes of a run for the duration of a block: those of a launcher, or ones that are started.

    Args:
        run: the run directory.
        settings: the run, whole.
        setup: device and data.
        resume: the checkpoint to go on from, or None.

    Raises:
        MemoryError: one of them has no memory left, which this one knows as a connection that broke.
        ProcessEnded: one of them has ended with another error, or was killed.
    """
    count = settings.device.count
    place = find_place()
    if place is not None:
        from fastrun.run.launched import taking_part
        from fastrun.run.world import world_at

        with taking_part(world_at(place), run, settings, setup, resume):
            yield
        return
    if count == 1 and not setup.device.is_sharded:
        yield
        return
    from fastrun.system.connection import is_broken

    first = Place("fastrun", 0, 0, count, count, "127.0.0.1", _free_port())
    children = _start(run, settings, resume, first)
    try:
        watched = children.watched(lambda error: _give_up(error, run, children))
        with _environment(first.environment()), watched, _connected(first, setup):
            yield
            children.wait(_LAST_SECONDS)
    except RuntimeError as error:
        if not is_broken(error):
            raise
        ended = children.first_error(_SECONDS)
        if ended is None:
            raise
        if ended.exit_code == OutOfMemory.exit_code:
            raise MemoryError("another process of the run has no memory left") from error
        raise ended from error
    finally:
        children.kill()


def _start(run: Path, settings: Settings, resume: Path | None, first: Place) -> Children:
    """Start the processes, each with its share of the cores."""
    count = settings.device.count
    order = {
        "run": str(run),
        "resume": str(resume) if resume else None,
        "settings": asdict(settings),
        "secrets": redaction.known_secrets(),
    }
    environ = os.environ | {"OMP_NUM_THREADS": str(max(1, allowed_cores() // count))}
    places = [replace(first, rank=rank, local_rank=rank) for rank in range(1, count)]
    hint = None if settings.checkpoint.kind == "none" else f"go on with: fastrun resume {run}"
    return Children([Child(order, place.rank, environ | place.environment()) for place in places], hint)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the duration of a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _connected(place: Place, setup: Setup) -> Iterator[None]:
    """Connect the processes for the duration of a block if they divide the network's weights before they train.

    Otherwise Lightning connects them when training starts.
    """
    if not setup.device.is_sharded:
        yield
        return
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    from fastrun.system.connection import Group, backend_for

    store = TCPStore(place.address, place.port, place.world_size, place.rank == 0)
    group = Group(backend_for(setup.device.torch_device.type), store, place)
    try:
        yield
    finally:
        group.leave()


def _give_up(error: ProcessEnded, run: Path, children: Children) -> NoReturn:
    """End this process, whose main thread waits for one that has ended and cannot be called back."""
    from fastrun.storage.run_dir import RunDir

    try:
        children.kill()
        print(error.render(), file=sys.stderr, flush=True)
        log.error(error.render(), extra={"file_only": True})
        RunDir(run).end("failed", error.exit_code)
    finally:
        os._exit(error.exit_code)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Train as one of the other processes; a signal that only this one gets stops all of them at the same step."""
    from fastrun.system import signals

    end_with_parent(signal.SIGKILL)
    order = json.load(sys.stdin)
    if os.getppid() != order["parent"]:
        os._exit(LOST)  # the first process has ended before this one could ask to end with it
    redaction.remember(order["secrets"])
    with signals.listening(breaks_off=False):
        try:
            _train(order)
        except BaseException as error:
            # at once: threads of the group of processes do not bear that their interpreter ends
            os._exit(_exit_code(error, order["report"]))


def _train(order: dict[str, Any]) -> None:
    from fastrun.config.settings import from_dict
    from fastrun.storage.run_dir import RunDir
    from fastrun.system.clock import Clock, process_start
    from fastrun.training.builders.setup import set_up
    from fastrun.training.fit import fit
    from fastrun.training.trained.model import load_learned

    sys.path.append(os.getcwd())  # noqa: PTH109 (sys.path takes strings)
    settings, run = from_dict(order["settings"]), RunDir(Path(order["run"]))
    resume = Path(order["resume"]) if order["resume"] else None
    learned = load_learned(resume) if resume else None  # compared with the data by the first process
    setup, place = set_up(settings, learned, anyway=True), find_place()
    assert place is not None
    with _connected(place, setup):
        fit(settings, run, setup, resume, Clock(process_start()), None)


def _exit_code(error: BaseException, report: int) -> int:
    """Return the exit code for an error, which the first process is told unless it has the same."""
    from fastrun.errors import Diverged, Interrupted
    from fastrun.system import memory
    from fastrun.system.connection import is_broken

    if isinstance(error, (Interrupted, Diverged)):
        return 0
    if is_broken(error):
        return LOST
    write_report(report, error)
    if memory.is_out_of_memory(error):
        return OutOfMemory.exit_code
    return error.exit_code if isinstance(error, FastrunError) else 1


if __name__ == "__main__":
    main()
