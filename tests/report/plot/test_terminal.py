from __future__ import annotations

import sys

import pytest

from fastrun.report.plot.curves import PlottedCurve
from fastrun.report.plot.terminal import render

FALLING = PlottedCurve(
    "falling", {}, 10.0, [now / 100 for now in range(1000)], [1 - now / 1000 for now in range(1000)], [], ""
)
CYCLED = PlottedCurve("cycled", {}, 10.0, FALLING.epochs, FALLING.factors, [0.5] * 1000, "as if so")


def panels(monkeypatch, columns: int, count: int = 7) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    return render([FALLING] * count).splitlines()


@pytest.mark.parametrize(("columns", "across"), [(30, 1), (55, 2), (80, 2), (84, 3), (200, 7), (400, 7)])
def test_as_many_panels_stand_side_by_side_as_fit(monkeypatch, columns, across):
    lines = panels(monkeypatch, columns)
    assert lines[0].split() == ["falling"] * across
    assert max(map(len, lines[: lines.index("")])) <= columns
    assert sum(line.count("falling") for line in lines) == 7


def test_the_line_falls_from_the_top_left_to_the_bottom_right(monkeypatch):
    rows = panels(monkeypatch, 40, 1)[1:8]
    assert (rows[0][:2], rows[-1][:2]) == ("1┤", "0┤")
    middles = [sum(marks) / len(marks) for row in rows if (marks := [n for n, c in enumerate(row) if "⠁" <= c <= "⣿"])]
    assert len(middles) == 7
    assert middles == sorted(middles)


def test_momentum_and_notes_are_explained(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = render([FALLING, CYCLED])
    assert "dotted: the momentum" in text
    assert "cycled: as if so" in text
    assert "·" in text
    assert "dotted" not in render([FALLING])


def test_there_is_colour_in_a_terminal_only_and_not_where_it_is_unwanted(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033" not in render([FALLING])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert "\033" in render([FALLING])
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in render([FALLING])
