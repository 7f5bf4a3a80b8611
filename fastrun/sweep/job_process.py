"""Runs a job in the process that was forked for it."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import torch

from fastrun import compose, redaction
from fastrun.config import registry
from fastrun.config.settings import OPEN, Settings, from_dict
from fastrun.errors import FastrunError
from fastrun.redaction import redact_message
from fastrun.run import recovery, resume, runner, summary  # noqa: F401 (imported once, for all jobs)
from fastrun.storage.run_dir import RunDir
from fastrun.system.clock import process_start
from fastrun.system.process import end_with_parent
from fastrun.system.python_internals import run_exit_functions, skip_finalizers_at_exit
from fastrun.system.versions import versions

# SLURM sends these to all processes; the supervisor of the job stops it then.
_GROUP_SIGNALS = signal.SIGUSR1, signal.SIGUSR2


def prepare(settings: dict[str, Any]) -> None:
    """Import the modules of a job's components before the process is forked, so that later jobs have them too."""
    versions()  # kept, too
    skip_finalizers_at_exit()
    for group in OPEN:
        target = registry.target_of(group, str(settings[group].get("_target_")))
        if target is not None:
            with suppress(Exception):  # the job will say so
                importlib.import_module(target.rpartition(".")[0])


def gpus() -> int:
    """Return the number of GPUs without creating a CUDA context."""
    return torch.cuda.device_count()


def main(order: dict[str, Any], inherited: Sequence[int]) -> NoReturn:
    """Run a job and end the process."""
    code = 1
    try:
        _detach(order, inherited)
        code = _run(order)
        run_exit_functions()
    except BaseException:
        print(redact_message(traceback.format_exc()), file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _detach(order: dict[str, Any], inherited: Sequence[int]) -> None:
    """Detach the process from the server: set its process group, signal handlers, output, GPUs and threads."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, _GROUP_SIGNALS)
    end_with_parent(signal.SIGTERM)
    if os.getppid() != order["server"]:  # it died before this could have been told
        os._exit(1)
    _redirect(Path(order["folder"]), inherited)
    if order["threads"] is not None:
        os.environ["OMP_NUM_THREADS"] = str(order["threads"])  # of processes that the job starts
        torch.set_num_threads(order["threads"])
    if order["gpus"] is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(order["gpus"])


def _redirect(folder: Path, inherited: Sequence[int]) -> None:
    """Redirect input to the null device and output to output.log, and close the descriptors of the server."""
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    for handle in (nothing, log, *inherited):
        os.close(handle)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _run(order: dict[str, Any]) -> int:
    """Train or resume as the command line would, and return the exit code."""
    started = process_start()
    redaction.remember(order["secrets"])
    os.environ.update(redaction.secrets_for_child())  # for what its config.yaml lacks, if it goes on
    try:
        _train(from_dict(order["settings"]), RunDir(Path(order["folder"])), order["overrides"], started)
    except FastrunError as error:
        print(error.render(), file=sys.stderr)
        return error.exit_code
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        print(redact_message(f"{traceback.format_exc()}error: {type(error).__name__}: {reason}"), file=sys.stderr)
        return 1
    return 0


def _train(settings: Settings, run: RunDir, overrides: list[str], started: float) -> None:
    """Start a run, or resume an earlier attempt unless it keeps no checkpoints."""
    is_new = not (run.path / "config.yaml").is_file()
    if is_new or settings.checkpoint.kind == "none":
        _clear(run.path)
        runner.train(settings, run.path, overrides, started=started, keeps_refused=True)
    else:
        resume.resume(compose.from_config(run.config(), []), run, started=started)


def _clear(folder: Path) -> None:
    """Remove the files of an attempt that never saved, except its output."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "output.log":
            path.unlink()
