"""The pages that are made, of heuristics from conf/ and docstrings and of measurements from results, are up to date."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from fastrun.config import registry

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "heuristics.md").read_text()


def test_the_page_has_every_option_that_there_is_and_no_other() -> None:
    there = {f"`{group}={option}`" for group in registry.groups() for option in registry.options(group)}
    shown = {line.split()[1] for line in PAGE.splitlines() if line.startswith("### ")}
    assert len(there) > 80
    assert shown == there


def test_the_page_is_what_its_maker_makes() -> None:
    assert runpy.run_path(str(DOCS / "generate.py"))["page"]() == PAGE, "make docs"


@pytest.mark.slow
def test_the_python_of_the_pages_works(folder: Path, capsys) -> None:
    names: dict[str, object] = {}
    for code in re.findall(r"^```python\n(.*?)^```", (DOCS / "python.md").read_text(), re.M | re.S):
        exec(code, names)
    assert names["run"].summary["epochs"] == 6
    assert len(names["frame"]) == 3
    assert (folder / "curves.png").is_file()


def test_the_measured_page_and_the_first_table_of_the_readme_are_what_was_measured() -> None:
    maker = runpy.run_path(str(DOCS / "measured.py"))
    found = maker["results"]()
    assert len(list(maker["sections"](found))) > 20
    assert maker["page"](found) == (DOCS / "measured.md").read_text(), "make docs"
    assert maker["readme"](found) == (DOCS.parent / "README.md").read_text(), "make docs"
    for name, study in found.items():
        if isinstance(study, dict) and "verdicts" in study:
            assert (DOCS / f"measured-{name}.svg").is_file()
