"""What a search trains: the run of a config, of which only parts are trained, with one number changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fastrun.components.device.device import set_threads
from fastrun.components.schedule import Curve
from fastrun.components.schedule.build import build_curve
from fastrun.config.plan import Plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.training.builders.parts import build_parts
from fastrun.training.builders.setup import Setup, set_up
from fastrun.tune.auto.choose import choose
from fastrun.tune.find.effort import nominal_seconds


@dataclass(frozen=True)
class Subject:
    """The run that a number is looked for.

    Attributes:
        settings: the settings of the run, with the batch size that is used.
        setup: the device and the data.
        plan: the steps at which the run validates and ends.
        seconds_per_step: what a step would cost on a usual machine; it is computed, not measured.
    """

    settings: Settings
    setup: Setup
    plan: Plan
    seconds_per_step: float

    def build_curve(self) -> Curve:
        """Return the learning-rate schedule of the run, new, since one may depend on validations."""
        plan = self.plan
        return build_curve(self.settings.schedule, steps_per_epoch=plan.steps_per_epoch, total_steps=plan.total_steps)

    def seeds(self, count: int) -> range:
        """Return the first seeds of a search: that of the run, and those after it."""
        return range(self.settings.seed, self.settings.seed + count)


def prepare(settings: Settings) -> Subject:
    """Set up the data, and build the run once, which checks its config.

    Raises:
        ConfigError: the run cannot be built, or depends on what a search cannot repeat.
        DataError: the data cannot be trained on.
    """
    _check(settings)
    setup = set_up(settings)
    settings = choose(settings, setup)
    set_threads(settings.speed.threads, setup.device)
    parts = build_parts(settings, setup, Resolved({}, is_silent=True))
    settings = replace(settings, batch=parts.settings.batch)
    return Subject(settings, setup, parts.plan, nominal_seconds(parts))


def _check(settings: Settings) -> None:
    """Check that a run depends on nothing that a search cannot repeat.

    Raises:
        ConfigError: it does.
    """
    if settings.device.world_size > 1:
        raise ConfigError(
            f"device.count={settings.device.count}: a search takes its steps in one process",
            "device.count=1; what it finds holds for several processes, since batch.size counts the samples of all",
        )
    if settings.device.offload:
        message = "device.offload=true: a search takes its steps with all weights on the device"
        raise ConfigError(message, "device.offload=false; what it finds holds for both")
    if settings.batch.kind == "auto":
        raise ConfigError(
            "batch=auto measures this machine, so a search could not be repeated",
            "batch=fixed; `fastrun find batch` suggests a size",
        )
    if settings.early_stopping.seconds:
        raise ConfigError(
            "early_stopping=budget with seconds ends a run by the clock, so a search could not be repeated",
            "give the run a length in steps or epochs: early_stopping=none epochs=…",
        )
