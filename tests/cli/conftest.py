"""What mistakes of a user come to: the form of an error, and options that a user may write."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def error_of() -> Callable[[subprocess.CompletedProcess[str], int], str]:
    """Return what a command line prints to stderr, after checking its exit code and the form of the error."""

    def error(done: subprocess.CompletedProcess[str], code: int) -> str:
        assert done.returncode == code, done.stderr
        text = done.stderr.strip().splitlines()
        if code != 0 and text:
            assert text[0].startswith("error: "), done.stderr
            assert len(text) <= 3, done.stderr
            assert "Traceback" not in done.stderr
            assert len(done.stderr) < 600, done.stderr
        return done.stderr

    return error


@pytest.fixture
def write_own_option(folder: Path) -> Callable[[str, str, str], None]:
    """Write an option of the user and the module that it names."""

    def write(group: str, module: str, name: str) -> None:
        (folder / "own.py").write_text(module)
        (folder / "conf" / group).mkdir(parents=True)
        (folder / f"conf/{group}/own.yaml").write_text(f"# Mine\n_target_: own.{name}\n")

    return write
