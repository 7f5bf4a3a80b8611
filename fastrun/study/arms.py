"""The arms of a study: the full run, each with something taken away, the plain run, each with something added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fastrun.components.schedule.build import check_early
from fastrun.config import registry
from fastrun.config.settings import EarlyStoppingConfig, Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.storage.job import sha256_of
from fastrun.study.factors import Factor
from fastrun.study.settings import overrides_of_group
from fastrun.study.verdict.contrast import Contrast

_LEAST_STEPS = 4  # of a run

FULL, AGAIN, PLAIN = "full", "full again", "plain"
SHARED = ("seed", "target", "sweep", "outputs", "name")  # are those of the run in every arm
_NOT_COMPARED = ("name", "outputs", "sweep", "choices", "seed", "target", "steps", "epochs")

Compose = Callable[[list[str]], Settings]


@dataclass(frozen=True)
class Arm:
    """A way to train that a study compares with others.

    Attributes:
        name: what it is called, such as ``full - norm``.
        overrides: the command line that it is, without seed and length.
        settings: what that composes to.
    """

    name: str
    overrides: list[str]
    settings: Settings

    def sha256(self) -> str:
        """Return a hash of what is trained: two arms with the same one are the same arm."""
        config = {key: value for key, value in asdict(self.settings).items() if key not in _NOT_COMPARED}
        config["speed"] = {key: value for key, value in config["speed"].items() if key != "found"}
        config["batch"] = {key: value for key, value in config["batch"].items() if key != "found"}
        return sha256_of(config)

    def with_rate(self, rate: float | None) -> Arm:
        """Return the arm with another learning rate; as it is where that is None."""
        if rate is None:
            return self
        overrides = [text for text in self.overrides if text.partition("=")[0] != "optimizer.lr"]
        settings = replace(self.settings, optimizer=self.settings.optimizer | {"lr": rate})
        return Arm(self.name, [*overrides, f"optimizer.lr={rate:.6g}"], settings)

    def fits(self, steps: int) -> bool:
        """Say whether the arm can be trained for so few steps."""
        if steps < _LEAST_STEPS:
            return False
        try:
            check_early(self.settings.schedule, epochs=self.settings.epochs, total_steps=steps)
        except ConfigError:
            return False
        return True

    def with_groups(self, groups: Mapping[str, Any], added: Sequence[str] = ()) -> Arm:
        """Return the arm with some groups of its settings replaced, and overrides added that say so."""
        return Arm(self.name, [*self.overrides, *added], replace(self.settings, **groups))


@dataclass(frozen=True)
class Design:
    """What a study compares.

    Attributes:
        arms: the arms by name.
        contrasts: the pairs of arms that are compared.
    """

    arms: dict[str, Arm]
    contrasts: list[Contrast]

    def without_arms(self, names: Sequence[str]) -> Design:
        """Return the design without some arms, and without the comparisons that need them."""
        arms = {name: arm for name, arm in self.arms.items() if name not in names}
        return Design(arms, [one for one in self.contrasts if {one.arm, one.baseline} <= arms.keys()])

    @property
    def claims(self) -> int:
        """Return the number of comparisons that say something: all but that of the full run with itself."""
        return sum(contrast.kind != "same" for contrast in self.contrasts)


def design(
    compose: Compose,
    full: Settings,
    overrides: list[str],
    factors: list[Factor],
    baseline: list[str] | None,
    *,
    has_plain: bool = True,
) -> Design:
    """Return the arms and the comparisons of a study.

    Args:
        compose: composes a command line.
        full: what the run composes to.
        overrides: the command line of the run.
        factors: what is taken away from it.
        baseline: the command line of the plain run; None for the full run without any of the factors.
        has_plain: whether there is a plain run, and one with each factor added to it.

    Raises:
        ConfigError: an arm does not compose; the message names it.
    """
    overrides = without_shared(overrides)
    lines: dict[str, list[str]] = {FULL: overrides, AGAIN: overrides}
    for factor in factors:
        lines[f"{FULL} - {factor.name}"] = factor.remove_from(overrides)
    if has_plain:
        lines |= _plain_lines(full, overrides, factors, baseline)
    arms = {name: make_arm(compose, name, line, shared_of(full)) for name, line in lines.items()}
    return Design(arms, _contrasts(arms, factors))


def narrowed(design: Design, factors: Sequence[Factor]) -> Design:
    """Return the design of some of the factors; its plain run is still without any of them all."""
    names = [FULL, AGAIN, *(f"{FULL} - {factor.name}" for factor in factors)]
    names += [PLAIN, *(f"{PLAIN} + {factor.name}" for factor in factors)]
    arms = {name: arm for name, arm in design.arms.items() if name in names}
    return Design(arms, _contrasts(arms, factors))


def without_all(overrides: list[str], factors: Sequence[Factor]) -> list[str]:
    """Return the overrides of an arm without some factors, from those of one that has them."""
    for factor in factors:
        overrides = factor.remove_from(overrides)
    return overrides


def shared_of(full: Settings) -> dict[str, Any]:
    """Return the values that all arms have from the run."""
    return {key: getattr(full, key) for key in SHARED}


def _plain_lines(
    full: Settings, overrides: list[str], factors: list[Factor], baseline: list[str] | None
) -> dict[str, list[str]]:
    """Return the command lines of the plain run, and of one with each factor added to it."""
    bare = without_all(overrides, factors)
    lines = {PLAIN: bare if baseline is None else without_shared(baseline)}
    for factor in factors:
        others = [one for one in factors if one != factor]
        lines[f"{PLAIN} + {factor.name}"] = (
            without_all(overrides, others) if baseline is None else _added(lines[PLAIN], full, factor)
        )
    return lines


def same_arms(arms: Mapping[str, Arm]) -> dict[str, str]:
    """Return the arms that train what an earlier one trains, each with that one's name.

    ``full again`` is not among them: it is the same on purpose, with other seeds.
    """
    first: dict[str, str] = {}
    same = {}
    for name, arm in arms.items():
        if name == AGAIN:
            continue
        original = first.setdefault(arm.sha256(), name)
        if original != name:
            same[name] = original
    return same


def _contrasts(arms: Mapping[str, Arm], factors: Sequence[Factor]) -> list[Contrast]:
    """Return the comparisons, without those that compare the same two arms as an earlier one."""
    same = same_arms(arms)
    found = [Contrast("", "same", AGAIN, FULL)]
    found += [Contrast(factor.name, "without", f"{FULL} - {factor.name}", FULL) for factor in factors]
    if PLAIN in arms:
        found += [Contrast(factor.name, "added", f"{PLAIN} + {factor.name}", PLAIN) for factor in factors]
    kept, seen = [], set()
    for one in found:
        pair = frozenset(same.get(name, name) for name in (one.arm, one.baseline))
        if pair not in seen:
            kept.append(one)
        seen.add(pair)
    return kept


def make_arm(compose: Compose, name: str, overrides: list[str], shared: Mapping[str, Any]) -> Arm:
    """Return an arm, every run of which goes to its end.

    Args:
        compose: composes a command line.
        name: what it is called.
        overrides: its command line.
        shared: the values of `SHARED`, which all arms have from the run.

    Raises:
        ConfigError: it does not compose; the message names it.
    """
    try:
        settings = compose(overrides)
    except FastrunError as error:
        if name in (FULL, AGAIN):
            raise
        hint = error.hint or "name the factors that fit together: study.factors=[…]"
        raise ConfigError(f"the arm “{name}” does not compose: {error.message}", hint) from error
    steps = settings.early_stopping.steps if settings.early_stopping.kind == "budget" else settings.steps
    complete = EarlyStoppingConfig()  # every run goes to its end
    return Arm(name, overrides, replace(settings, early_stopping=complete, steps=steps, **shared))


def without_shared(overrides: list[str]) -> list[str]:
    """Return overrides without those that are the same in every arm, and that the study sets for each run."""
    keys = (*SHARED, "early_stopping")
    gone = {text for key in keys for text in overrides_of_group(overrides, key)}
    return [text for text in overrides if text not in gone]


def _added(plain: list[str], full: Settings, factor: Factor) -> list[str]:
    """Return the overrides of a plain run of the user's own with a factor of the full run added."""
    if factor.key != factor.group:
        return [*plain, _typed(factor.key, _value_at(full, factor.key))]
    choice, values = full.choices[factor.group], asdict(full)[factor.group]
    rest = [text for text in plain if text not in set(overrides_of_group(plain, factor.group))]
    own = registry.options(factor.group)[choice].content()
    changed = [key for key, value in own.items() if key in values and not _is_same(values[key], value)]
    return [*rest, f"{factor.group}={choice}", *(_typed(f"{factor.group}.{key}", values[key]) for key in changed)]


def _is_same(value: Any, written: Any) -> bool:
    """Say whether a value is that in an option's file, where YAML takes ``1e-3`` for a text; null is the same."""
    if isinstance(value, float) and isinstance(written, str):
        return str(value) == str(float(written))
    return value is None or value == written


def _value_at(settings: Settings, key: str) -> Any:
    """Return the value of a key.

    Raises:
        ConfigError: it is no value that can be typed.
    """
    node: Any = asdict(settings)
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if node is None or isinstance(node, dict):
        hint = "leave the factor out, or leave study.baseline out"
        raise ConfigError(f"study.baseline: {key} of the run cannot be added to it", hint)
    return node


def _typed(key: str, value: Any) -> str:
    """Return an override that sets a value."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        text = str(value).replace(" ", "")
    return f"{key}={text}"
