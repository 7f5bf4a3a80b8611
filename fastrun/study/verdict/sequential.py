"""Which contrasts of a study still need blocks, where it is looked at after every block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Rule
from fastrun.study.verdict.observation import Observation


def progress(
    blocks: Sequence[Mapping[str, Observation]],
    contrasts: Sequence[Contrast],
    rule: Rule,
    planned: int | None = None,
) -> dict[Contrast, str]:
    """Return "decided", "futile" or "open" for each contrast; planned: the most blocks that the study may have."""
    raise NotImplementedError
