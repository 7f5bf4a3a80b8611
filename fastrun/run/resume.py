"""Resumes a run from its newest good checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.run import launched
from fastrun.run.early import check_early
from fastrun.run.runner import Ended, attempt
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.links import check_no_links
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir
from fastrun.system.place import find_place
from fastrun.system.versions import computed_by
from fastrun.training.objects import NONE, Objects

if TYPE_CHECKING:
    from fastrun.training.builders.setup import Setup

_DECISIVE = "fastrun", "torch", "processor"  # where they are others, the last bits may be, too


def resume(
    settings: Settings,
    run: RunDir,
    overrides: Sequence[str] = (),
    *,
    started: float,
    quiet: bool = False,
    anyway: bool = False,
    objects: Objects = NONE,
) -> Ended:
    """Go on from the newest good checkpoint, with other values if there are overrides.

    A run that ended before its first checkpoint starts at its first step, and says so.

    Args:
        settings: the run's, the overrides among them.
        run: its directory.
        overrides: what the command line said beside it.
        started: when it was asked for, in seconds since the epoch.
        quiet: print nothing.
        anyway: go on with data that has changed, too.
        objects: what takes the place of the config's model, data and callbacks.

    Raises:
        CheckpointError: no checkpoint is whole, none is kept, or it is of another network, or something in the
            directory is a link; nothing is changed then.
        ConfigError: the run is past its last step already, or cannot go on with this number of processes.
        InUse: another process has the run.
        FastrunError: what ended the run.
    """
    place = find_place()
    before = settings.device
    if place is None and not any(override.startswith("device.nodes=") for override in overrides):
        settings = replace(settings, device=replace(settings.device, nodes=1))  # this machine alone goes on
    settings = launched.fit_to_place(settings, overrides, place)
    if place is not None and place.rank:
        return Ended(*launched.follow(place, None))
    check_no_links(run.path, run.checkpoints)
    check_early(settings, loads_weights=False, given=objects.given)
    with launched.leading(place, None), locked(run.path) as notes:
        setup = None
        saved, more = _newest_checkpoint(run, settings)
        notes += more
        if overrides or settings.device != before:
            if saved is not None:
                settings, setup, more = _fit_to_checkpoint(settings, saved, anyway, objects)
                notes += more
            run.change(settings, overrides)
        run.forget_after(saved.step if saved else 0)
        how: dict[str, Any] = {"setup": setup, "anyway": anyway, "objects": objects}
        return attempt(settings, run, saved, notes, started=started, quiet=quiet, **how)


def _newest_checkpoint(run: RunDir, settings: Settings) -> tuple[SavedCheckpoint | None, list[str]]:
    """Return the checkpoint to go on from, or None for the first step, and notes about it and about damaged ones.

    Raises:
        CheckpointError: no checkpoint is whole, or none is kept.
    """
    if run.was_never_saved() and settings.checkpoint.kind != "none":
        return None, ["no checkpoint yet: starting from the first step"]
    saved, broken = run.newest_good()
    damaged = [f"{checkpoint.path.name} is damaged: passed over" for checkpoint in broken]
    return saved, damaged + _computed_by_others(saved)


def _computed_by_others(saved: SavedCheckpoint) -> list[str]:
    """Return a note if other versions of packages, or another processor, computed the checkpoint."""
    now, then = computed_by(), saved.versions
    changed = [f"{name} {then[name]}, now {now[name]}" for name in _DECISIVE if then.get(name, now[name]) != now[name]]
    return [f"the checkpoint is from {' and '.join(changed)}: the last bits may differ from here on"] if changed else []


def _fit_to_checkpoint(
    settings: Settings, saved: SavedCheckpoint, anyway: bool, objects: Objects
) -> tuple[Settings, Setup, list[str]]:
    """Check that a run with these settings can go on from a checkpoint, and fit its schedule to a new length.

    Returns:
        The settings, which say where the schedule warms up again; the device and the data; and notes if the learning
        rate jumps or warms up, and on another number of processes.

    Raises:
        CheckpointError: it is of another network.
        ConfigError: it is past the last step already, or its batches cannot be shared by so many processes.
        DataError: unless ``anyway``, the data has changed.
    """
    from fastrun.components.amp.precision import choose_precision
    from fastrun.config.plan import make_plan
    from fastrun.config.resolved import Resolved
    from fastrun.run.elastic import describe, keep_batches
    from fastrun.run.new_length import fit_schedule
    from fastrun.storage.checkpoint.load import load
    from fastrun.storage.checkpoint.state import CheckpointState
    from fastrun.training.builders.loaders import build_sampler
    from fastrun.training.builders.optimizer import build_update_rule
    from fastrun.training.builders.setup import set_up
    from fastrun.training.trained.model import load_learned, load_network

    content = load(saved.path)
    world_size = CheckpointState.of(content, str(saved.path)).world_size
    setup = set_up(settings, load_learned(saved.path), anyway=anyway, objects=objects)
    settings = keep_batches(settings, setup.splits, world_size)
    sampler = build_sampler(settings, setup.splits, setup.device, Resolved({}))
    plan = make_plan(settings, sampler.steps_per_epoch)
    total = plan.total_steps
    if total < saved.step and not settings.early_stopping.seconds:
        raise ConfigError(
            f"the run is at step {saved.step} already, past the {total} asked for",
            f"ask for more {'steps' if settings.steps else 'epochs'}",
        )
    net = load_network(saved.path, settings, objects).net
    precision = choose_precision(settings.amp.kind, setup.device.torch_device)
    settings, notes = fit_schedule(settings, build_update_rule(settings, net, precision, plan), plan, content)
    if world_size != settings.device.world_size:
        notes = [describe(world_size, settings, net), *notes]
    return settings, setup, notes
