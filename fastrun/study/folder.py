"""The files of a study's folder. Imports nothing, so that every verb may ask what a folder is."""

from __future__ import annotations

from pathlib import Path

DEFINITION, PLAN, VERDICTS, RUNS = "study.json", "plan.json", "verdicts.json", "runs"
RACE = "race.json"  # in place of study.json in the folder of a race


def is_study(folder: Path) -> bool:
    """Say whether a folder is that of a study."""
    return (folder / DEFINITION).is_file()


def is_race(folder: Path) -> bool:
    """Say whether a folder is that of a race."""
    return (folder / RACE).is_file()
