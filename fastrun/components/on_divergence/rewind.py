"""``on_divergence=rewind``: go back to the newest checkpoint and continue with lower learning rates."""

from __future__ import annotations

from dataclasses import replace

from fastrun.config.settings import OnDivergenceConfig


def rewind(config: OnDivergenceConfig, at: int, to: int) -> OnDivergenceConfig | None:
    """Return the settings of the group after one more rewind; None if the run may not rewind (again).

    Args:
        config: the settings of the group so far.
        at: the step that was bad, counted from 1.
        to: the step of the checkpoint that the run continues from, 0 for the start.
    """
    if config.kind == "stop" or len(config.rewinds) >= config.times:
        return None
    # A rewind to before an earlier one's checkpoint keeps that one's factor for the steps in between.
    earlier = [{**one, "to": min(one["to"], to)} for one in config.rewinds]
    return replace(config, rewinds=[*earlier, {"at": at, "to": to, "factor": config.factor}])
