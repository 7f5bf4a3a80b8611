"""The error of a sweep that does not begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.cli.main import main


@pytest.fixture
def refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return the error of a sweep that does not begin, which leaves no files."""

    def error(*arguments: str) -> str:
        assert main(["train", "model=mlp", *arguments]) == 2
        assert not Path("outputs").exists()
        return capfd.readouterr().err

    return error
