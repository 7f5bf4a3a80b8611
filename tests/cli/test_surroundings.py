"""Standard streams that are closed or full, and a current folder that is gone: one line and the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = "data=synthetic data.shape=[4] data.samples=64 model=mlp model.hidden=[4] steps=2 device=cpu"


def sh(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of a shell, in which ``fastrun`` is this checkout's."""
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = f'fastrun() {{ "{sys.executable}" -m fastrun "$@"; }}; {command}'
    return subprocess.run(
        ["sh", "-c", words], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.sampled
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("verb", ["--help", "runs", "version", "train --cfg job"])
def test_a_full_standard_output_is_said(folder: Path, verb: str, unbuffered: str) -> None:
    done = sh(folder, f"export PYTHONUNBUFFERED={unbuffered}; fastrun {verb} > /dev/full")
    assert done.returncode == 7
    assert done.stderr.startswith("error: standard output cannot be written: No space left on device\nhint: ")
    assert len(done.stderr.splitlines()) == 2
    assert sh(folder, f"fastrun {verb} > /dev/full 2> /dev/full").returncode == 7


def test_a_full_standard_error_changes_no_exit_code(folder: Path) -> None:
    assert sh(folder, "fastrun nothing 2> /dev/full").returncode == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_changes_nothing(folder: Path, closed: str) -> None:
    done = sh(folder, f"fastrun train --cfg job {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert sh(folder, f"fastrun nothing {closed}").returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_run_goes_on_without_standard_streams(folder: Path, closed: str) -> None:
    assert sh(folder, f"fastrun train {TINY} {closed}").returncode == 0
    assert len(list(folder.glob("outputs/*/*/summary.json"))) == 1


@pytest.mark.slow
def test_a_run_whose_output_is_full_says_so(folder: Path) -> None:
    done = sh(folder, f"fastrun train {TINY} > /dev/full")
    assert done.returncode == 7
    assert "error: standard output cannot be written" in done.stderr


@pytest.mark.parametrize("verb", ["--help", "runs", "train"])
def test_a_current_folder_that_was_removed_is_said(folder: Path, verb: str) -> None:
    done = sh(folder, f"mkdir gone; cd gone; rmdir ../gone; fastrun {verb}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current folder has been removed\nhint: ")
    assert len(done.stderr.splitlines()) == 2
