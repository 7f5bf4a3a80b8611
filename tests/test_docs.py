"""The page of heuristics is made from conf/ and docstrings, and is up to date."""

from __future__ import annotations

import runpy
from pathlib import Path

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
