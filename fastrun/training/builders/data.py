"""Loading and checking the data of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastrun.components.data.fingerprint import describe_change
from fastrun.components.data.learned import NEW, DataState
from fastrun.components.data.splits import Samples, Splits, check_learned, check_new, check_splits
from fastrun.config import instantiate
from fastrun.config.objects import name_of
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, DataError, FastrunError
from fastrun.system.seed import seeded
from fastrun.training.builders.data_module import data_sets
from fastrun.training.objects import NONE, Objects


@contextmanager
def _blaming(function: Callable[..., Any], did: str) -> Iterator[None]:
    """Report what a block raises as an error of the data that a function, perhaps the user's, has to answer for."""
    try:
        yield
    except (FastrunError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"the data cannot be read: {error}", "check data.root") from error
    except Exception as error:
        raise DataError(*instantiate.describe_error(function, error, did)) from error


def load_splits(
    settings: Settings, learned: DataState | None = None, *, anyway: bool = False, objects: Objects = NONE
) -> Splits:
    """Call the data factory and check the splits that it returns.

    Args:
        settings: the settings of the run.
        learned: what the run learned from its data before, which is used again; None for a new run.
        anyway: go on with data that has changed since then.
        objects: what takes the place of the factory.

    Raises:
        ConfigError: the arguments of the factory do not fit, or ``views`` does not fit the data.
        DataError: the data cannot be read, cannot be trained on, or is not the data that the run learned from.
    """
    factory = objects.bind_data() or _bind_factory(settings)
    with seeded(settings.seed, "data"):  # a user's data set may split itself at random, for one
        data = _call_factory(factory, learned, settings)
        with _blaming(factory.func, "returned a set that raised"):
            splits = check_splits(data)
    if settings.views != "none" and splits.task.is_dense:
        raise ConfigError(f"views={settings.views} is for targets of whole images", "use views=none")
    if settings.views != "none" and len(splits.in_shape) != 3:
        raise ConfigError(f"views={settings.views} needs images; this data has shape {list(splits.in_shape)}")
    if learned is None:
        return splits
    change = describe_change(learned.fingerprint, splits.fingerprint)
    if change and not anyway:
        key = "source" if "source" in settings.data else "root"
        raise DataError(
            f"the data has changed since the run was trained: {change}",
            f"--anyway uses it all the same; `fastrun eval RUN data.{key}=…` measures other data",
        )
    return check_learned(splits, learned)


def load_new_samples(settings: Settings, learned: DataState, split: str | None) -> tuple[str, Samples]:
    """Load data that is not the run's own, prepared as the run prepared its own.

    The run's own data under another name, such as a copy in another folder, is split as the run split it.

    Args:
        settings: the settings of the run, with the arguments of the other data.
        learned: what the run learned from its data.
        split: the split to return if the data is the run's own, or if its factory splits it; None for ``test``.

    Returns:
        The name of the split, :data:`NEW` for all samples of a factory that does not split them, and the samples.

    Raises:
        ConfigError: the arguments of the factory do not fit, or the data has no such split or no splits at all.
        DataError: the data cannot be read, or the run's network cannot be measured on it.
    """
    factory = _bind_factory(settings)
    with seeded(settings.seed, "data"):
        data = _call_factory(factory, replace(learned, is_new=True), settings)
        if NEW in data and not describe_change(learned.fingerprint, data["fingerprint"]):
            data = _call_factory(factory, learned, settings)
    if NEW in data and split is not None:
        raise ConfigError(f"--split {split}: data that is not the run's own has no splits", "leave --split out")
    name = NEW if NEW in data else split or "test"
    if data.get(name) is None:
        raise ConfigError(f"this data has no {name} split", "use --split val")
    with _blaming(factory.func, "returned a set that raised"):
        check_new(name, data[name], data.get("classes"), learned)
    return name, data[name]


def _bind_factory(settings: Settings) -> instantiate.Bound:
    factory = instantiate.bind("data", settings.data)
    if factory is None:
        raise ConfigError("data._target_ is not set", "choose a data set: `fastrun options data`")
    instantiate.check_complete("data", factory)
    return factory


def _call_factory(factory: instantiate.Bound, learned: DataState | None, settings: Settings) -> dict[str, Any]:
    offered = instantiate.accepted(factory, learned=learned) | _tokenizer_for(factory, settings)
    with _blaming(factory.func, "raised"):
        data: dict[str, Any] = data_sets(factory(**offered))
    return data


def _tokenizer_for(factory: instantiate.Bound, settings: Settings) -> dict[str, Any]:
    """Return what makes the tokenizer that the config chooses, as an argument of the data factory.

    Raises:
        ConfigError: the factory takes no tokenizer, and one is chosen.
    """
    bound = instantiate.bind("tokenizer", settings.tokenizer)
    if bound is None:
        return {}
    offered = instantiate.accepted(bound=factory, tokenizer=bound())
    if not offered:
        message = f"tokenizer={name_of(settings.tokenizer)}: data={name_of(settings.data)} takes no tokenizer"
        raise ConfigError(message, "use tokenizer=characters, or a text: data=text, data=hf")
    return offered
