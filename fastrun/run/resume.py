"""Resumes a run from its newest good checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose
from typing import TYPE_CHECKING, Any

from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.run.early import check_early
from fastrun.run.runner import Run, attempt
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.links import check_no_links
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir
from fastrun.system.versions import versions

if TYPE_CHECKING:
    from fastrun.config.plan import Plan
    from fastrun.training.builders.setup import Setup
    from fastrun.training.step import UpdateRule

_DECISIVE = "fastrun", "torch"  # packages whose other versions may compute other last bits


def resume(
    settings: Settings,
    run: RunDir,
    overrides: Sequence[str] = (),
    *,
    started: float,
    quiet: bool = False,
    inexact: bool = False,
    anyway: bool = False,
) -> Run:
    """Go on from the newest good checkpoint, with other values if there are overrides.

    A run that ended before its first checkpoint starts at its first step, and says so.

    Args:
        settings: the run's, the overrides among them.
        run: its directory.
        overrides: what the command line said beside it.
        started: when it was asked for, in seconds since the epoch.
        quiet: print nothing.
        inexact: go on with another number of processes, too, though its steps are others then.
        anyway: go on with data that has changed, too.

    Raises:
        CheckpointError: no checkpoint is whole, none is kept, or it is of another network, or something in the
            directory is a link; nothing is changed then.
        ConfigError: the run is past its last step already, or had another number of processes.
        InUse: another process has the run.
        FastrunError: what ended the run.
    """
    check_no_links(run.path, run.checkpoints)
    check_early(settings, loads_weights=False)
    with locked(run.path) as notes:
        saved, setup = None, None
        if run.was_never_saved() and settings.checkpoint.kind != "none":
            notes.append("no checkpoint yet: starting from the first step")
        else:
            saved, broken = run.newest_good()
            notes += [f"{one.path.name} is damaged: passed over" for one in broken]
            notes += _other_versions(saved)
        if overrides:
            if saved is not None:
                setup, more = _check_fits(settings, saved, inexact, anyway)
                notes += more
            run.change(settings, overrides)
        run.forget_after(saved.step if saved else 0)
        return attempt(settings, run, saved, notes, started=started, quiet=quiet, setup=setup, anyway=anyway)


def _other_versions(saved: SavedCheckpoint) -> list[str]:
    """Return a note if other versions of packages wrote the checkpoint."""
    now, then = versions(), saved.versions
    changed = [f"{name} {then[name]}, now {now[name]}" for name in _DECISIVE if then.get(name, now[name]) != now[name]]
    return [f"the checkpoint is from {' and '.join(changed)}: the last bits may differ from here on"] if changed else []


def _check_fits(settings: Settings, saved: SavedCheckpoint, inexact: bool, anyway: bool) -> tuple[Setup, list[str]]:
    """Check that a run with these settings can go on from a checkpoint.

    Returns:
        Its device and data; and a note where the learning rate jumps.

    Raises:
        CheckpointError: it is of another network.
        ConfigError: it is past the last step already, or, unless ``inexact``, of another number of processes.
        DataError: unless ``anyway``, the data has changed.
    """
    from fastrun.components.amp.precision import choose_precision
    from fastrun.config.plan import make_plan
    from fastrun.config.resolved import Resolved
    from fastrun.storage.checkpoint.io import load
    from fastrun.storage.checkpoint.state import CheckpointState
    from fastrun.training.builders.loaders import build_sampler
    from fastrun.training.builders.optimizer import build_update_rule
    from fastrun.training.builders.setup import set_up
    from fastrun.training.trained_model import load_learned, load_network

    content = load(saved.path)
    world_size = CheckpointState.of(content, str(saved.path)).world_size
    if world_size != settings.device.count and not inexact:
        raise ConfigError(
            f"device.count={settings.device.count}: the run had {world_size}, and would take other steps from here",
            "--inexact goes on all the same",
        )
    setup = set_up(settings, load_learned(saved.path), anyway=anyway)
    sampler = build_sampler(settings, setup.splits, setup.device, Resolved({}))
    plan = make_plan(settings, sampler.steps_per_epoch)
    total = plan.total_steps
    if total < saved.step and not settings.early_stopping.seconds:
        raise ConfigError(
            f"the run is at step {saved.step} already, past the {total} asked for",
            f"ask for more {'steps' if settings.steps else 'epochs'}",
        )
    net = load_network(saved.path, settings).net
    precision = choose_precision(settings.amp.kind, setup.device.torch_device)
    return setup, _jump_of_rate(build_update_rule(settings, net, precision, plan), plan, content)


def _jump_of_rate(update: UpdateRule, plan: Plan, checkpoint: dict[str, Any]) -> list[str]:
    """Return a note if the learning rate of the next step differs much from the last one, as in a run made longer."""
    from fastrun.components.schedule import Watching
    from fastrun.storage.checkpoint.state import CheckpointState

    saved, groups = CheckpointState.of(checkpoint), checkpoint["optimizer_states"][0]["param_groups"]
    step, seconds = saved.train_state["step"], saved.clock
    if update.budget is not None:
        update.budget.begin(step, seconds["train"] + seconds["data_wait"])
    if isinstance(update.curve, Watching) and saved.schedule:
        update.curve.load(saved.schedule)
    before, after = float(groups[0]["lr"]), update.base_lrs[0] * update.factor(step)
    if step >= plan.total_steps or isclose(before, after, rel_tol=0.2):
        return []
    length = f"{update.budget.seconds:g} seconds" if update.budget is not None else f"{plan.total_steps} steps"
    return [
        f"the schedule is fitted to {length} now: the learning rate goes from {before:.3g} at step {step} "
        f"to {after:.3g}; optimizer.lr scales it"
    ]
