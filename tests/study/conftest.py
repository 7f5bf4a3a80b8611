"""A laboratory for studies without training."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from simulated import Lab

sys.path.pop(0)


@pytest.fixture
def lab(folder: Path) -> Lab:
    """Make studies whose jobs end at once."""
    return Lab()
