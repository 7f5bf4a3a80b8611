"""What becomes of the learning rate where a run is resumed with other values: a jump, or a warmup to the new curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from math import isclose
from typing import Any

from fastrun.components.schedule import Watching
from fastrun.components.schedule.rewarm import SHARE, Extension
from fastrun.config.plan import Plan
from fastrun.config.settings import Settings
from fastrun.storage.checkpoint.state import CheckpointState
from fastrun.training.step import UpdateRule

_UNNOTICED = 0.2  # a relative change of the rate in one step that is not worth a line


def fit_schedule(
    settings: Settings, update: UpdateRule, plan: Plan, checkpoint: Mapping[str, Any]
) -> tuple[Settings, list[str]]:
    """Fit the schedule of a run to its new length as ``schedule.on_extend`` says.

    Args:
        settings: the settings of the run with the new values.
        update: the update rule that they make; its budget and its schedule are put at the checkpoint.
        plan: the plan that they make.
        checkpoint: the content of the checkpoint that the run goes on from.

    Returns:
        The settings, in which ``schedule.extended`` says where a warmup to the new curve begins, if there is one; and a
        note if the learning rate of the next step differs much from the last one, or is warmed up.
    """
    saved = CheckpointState.of(checkpoint)
    step, last_rate = saved.train_state["step"], float(checkpoint["optimizer_states"][0]["param_groups"][0]["lr"])
    if update.budget is not None:
        update.budget.begin(step, saved.clock["train"] + saved.clock["data_wait"])
    if isinstance(update.curve, Watching) and saved.schedule:
        update.curve.load(saved.schedule)
    if update.budget is None and step >= plan.total_steps:  # a budget ends when its time is over, at any step
        return settings, []
    has_new_length = _length(saved.config) != _length(asdict(settings))
    if has_new_length:
        schedule = {key: value for key, value in settings.schedule.items() if key != "extended"}
        extension = _extension(schedule, update, plan, step, last_rate)
        if extension is not None:
            return replace(settings, schedule=schedule | {"extended": asdict(extension)}), [
                f"schedule.on_extend=rewarm: the learning rate goes from {last_rate:.3g} at step {step} to the curve "
                f"of {_describe_length(update, plan)} along a line, over {SHARE:.0%} of what is left"
            ]
        settings = replace(settings, schedule=schedule)
    return settings, _jump(update, plan, step, last_rate, has_new_length)


def _extension(
    schedule: Mapping[str, Any], update: UpdateRule, plan: Plan, step: int, last_rate: float
) -> Extension | None:
    """Return where and how a warmup to the new curve begins; None if there is none.

    There is none if the last rate is one of the new curve, as in the stable part of ``wsd``, or if the curve follows
    validations instead of the length of the run.
    """
    lowered = update.on_divergence.lr_factor(step) if update.on_divergence is not None else 1.0
    full_rate = update.base_lrs[0] * lowered
    is_on_curve = step > 0 and isclose(last_rate, full_rate * update.curve(update.position(step - 1)), rel_tol=1e-6)
    if schedule.get("on_extend") != "rewarm" or isinstance(update.curve, Watching) or is_on_curve or not full_rate:
        return None
    return Extension.at(update.position(step), last_rate / full_rate, plan.total_steps)


def _length(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of a config, as plain data, that decide on the number of steps of its run."""
    stopping, batch = config["early_stopping"], config["batch"]
    if stopping["kind"] == "budget":
        return stopping["seconds"], stopping["steps"]
    return (config["steps"],) if config["steps"] else (config["epochs"], batch["size"], batch["drop_last"])


def _describe_length(update: UpdateRule, plan: Plan) -> str:
    return f"{update.budget.seconds:g} seconds" if update.budget is not None else f"{plan.total_steps} steps"


def _jump(update: UpdateRule, plan: Plan, step: int, last_rate: float, has_new_length: bool) -> list[str]:
    """Return a note if the learning rate of the next step differs much from the last one."""
    rate = update.base_lrs[0] * update.factor(step)
    if isclose(last_rate, rate, rel_tol=_UNNOTICED):
        return []
    advice = "schedule.on_extend=rewarm goes there along a line, " if has_new_length else ""
    return [
        f"the schedule is fitted to {_describe_length(update, plan)} now: the learning rate goes from {last_rate:.3g} "
        f"at step {step} to {rate:.3g}; {advice}optimizer.lr scales it"
    ]
