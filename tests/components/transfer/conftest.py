"""A folder with data sets and networks of one's own, and runs to start others from."""

from __future__ import annotations

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
def own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, but for ``conf/`` with options of one's own."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("FASTRUN_TRUST", "own,halves")
    for option, target in OWN.items():
        path = folder / "conf" / f"{option}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# mine\n_target_: {target}\n")
    return folder
