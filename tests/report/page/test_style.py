"""Words on a page stand out from what is behind them, in light and in dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fastrun.report.page

STYLE = (Path(fastrun.report.page.__file__).parent / "templates/style.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
)


def luminance(color: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_is_enough_for_words_and_for_lines(colors: dict[str, str]) -> None:
    assert len(colors) > 20
    for behind in ("back", "card", "shade"):
        for name in ("text", "faint", "accent", "good", "bad", "even", "open"):
            assert contrast(colors[name], colors[behind]) >= 4.5, (name, behind)
        for number in range(8):
            assert contrast(colors[f"c{number}"], colors[behind]) >= 3, (number, behind)
