"""A folder with data sets and networks of one's own, and runs to start others from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

OWN = {
    "data/numbers": "own.numbers",
    "data/tokens": "own.tokens",
    "data/lower": "halves.lower",
    "data/upper": "halves.upper",
    "model/trained": "own.Trained",
}


@pytest.fixture
def own(folder: Path) -> Path:
    """An empty current folder, but for the modules here and ``conf/`` with options of one's own that name them."""
    for module in ("own", "halves"):
        shutil.copy(Path(__file__).with_name(f"{module}.py"), folder)
    for option, target in OWN.items():
        path = folder / "conf" / f"{option}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# mine\n_target_: {target}\n")
    return folder
