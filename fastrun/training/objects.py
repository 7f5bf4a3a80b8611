"""Python objects in place of the options of a config: a model, data sets, and callbacks."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastrun.config.instantiate import Bound
from fastrun.config.objects import OBJECT, class_name, is_object, name_of
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, DataError, FastrunError, UsageError

if TYPE_CHECKING:
    from pytorch_lightning import Callback
    from torch import nn

_SPLITS_HINT = "data={'train': …, 'val': …}, and perhaps 'test': data sets or DataLoaders; or a LightningDataModule"


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a run. None stands for what the config says.

    Attributes:
        model: the network. A run trains a copy.
        data: data sets or dataloaders by split, or a LightningDataModule.
        callbacks: callbacks beside those of the config.
    """

    model: nn.Module | None = None
    data: Any = None
    callbacks: Sequence[Callback] | None = None

    @property
    def given(self) -> list[str]:
        """Return the names of the objects that are there."""
        return [name for name in ("model", "data", "callbacks") if getattr(self, name) is not None]

    def check(self, overrides: Sequence[str]) -> None:
        """Check the kinds of the objects, and that no override chooses the same.

        Args:
            overrides: the overrides of the run.

        Raises:
            UsageError: an object is of another kind, or an override says what an object says.
            DataError: the data has no split to train on, or none to validate on.
        """
        if self.model is not None:
            _check_model(self.model)
        if self.data is not None:
            _check_data(self.data)
        if self.callbacks is not None:
            _check_callbacks(self.callbacks)
        for override in overrides:
            key = override.partition("=")[0].lstrip("+~")
            for name in ("model", "data"):
                if getattr(self, name) is not None and f"{key}.".startswith(f"{name}."):
                    thing = class_name(getattr(self, name))
                    raise UsageError(f"{override} and {name}=… ({thing}) exclude each other", "leave out one of them")

    def check_unused(self, what: str) -> None:
        """Check that no object is there.

        Args:
            what: what says all by itself.

        Raises:
            UsageError: there is one.
        """
        if self.given:
            raise UsageError(f"{what} says what its {self.given[0]} is", f"leave out {self.given[0]}=…")

    def overrides(self, typed: Sequence[str]) -> list[str]:
        """Return the overrides that put the description of the objects into a config.

        The weights of a model stay as they are, unless an initialization is chosen.

        Args:
            typed: the overrides of the run.
        """
        described: dict[str, dict[str, Any]] = {}
        if self.model is not None:
            described["model"] = _describe_model(self.model)
        if self.data is not None:
            described["data"] = {OBJECT: class_name(self.data)}
        found = [f"{group}._target_=null" for group in described]
        found += [
            f"++{group}.{key}={_quoted(value)}" for group, part in described.items() for key, value in part.items()
        ]
        for name, component in self._described_callbacks().items():
            found.append(f"++callbacks.{name}={{_target_: null, {OBJECT}: {_quoted(component[OBJECT])}}}")
        if self.model is not None and not any(one.lstrip("+").startswith(("init=", "init.")) for one in typed):
            found.append("init=default")
        return found

    def named(self, settings: Settings) -> Settings:
        """Return settings whose choices name the classes of the objects."""
        names = {group: name_of(getattr(settings, group)) for group in ("model", "data") if group in self.given}
        return replace(settings, choices=settings.choices | names)

    def fitted(self, settings: Settings) -> Settings:
        """Return the settings of a run that goes on with these objects; its callbacks are those that are given.

        Raises:
            UsageError: the run had no such object, or one of another class or size.
        """
        for group in ("model", "data"):
            if group in self.given:
                self._check_same(group, getattr(settings, group))
        if self.callbacks is None:
            return settings
        kept = {name: component for name, component in settings.callbacks.items() if not is_object(component)}
        return replace(settings, callbacks=kept | self._described_callbacks())

    def _check_same(self, group: str, component: Mapping[str, Any]) -> None:
        thing = getattr(self, group)
        if not is_object(component):
            raise UsageError(f"the run has {group}={name_of(component)}, which is no object", f"leave out {group}=…")
        now = _describe_model(thing) if group == "model" else {OBJECT: class_name(thing)}
        if name_of(component) != now[OBJECT]:
            message = f"the {group} of the run is of the class {name_of(component)}; this one: {now[OBJECT]}"
            raise UsageError(message, f"give the {group} of the run")
        before, here = component.get("parameters"), now.get("parameters")
        if before != here:
            message = f"the {group} of the run has {before:,} parameters; this one has {here:,}"
            raise UsageError(message, f"give the {group} of the run; its weights may be others")

    def _described_callbacks(self) -> dict[str, dict[str, Any]]:
        """Return the components that describe the callbacks, by their names; a second one of a class has a number."""
        found: dict[str, dict[str, Any]] = {}
        for callback in self.callbacks or ():
            name = type(callback).__name__
            taken = sum(known == name or known.startswith(f"{name}_") for known in found)
            found[f"{name}_{taken + 1}" if taken else name] = {"_target_": None, OBJECT: class_name(callback)}
        return found

    def bind_model(self) -> Bound | None:
        """Return a function that returns a copy of the model, on the CPU; None where there is no model."""
        return None if self.model is None else functools.partial(_named(self.model, lambda: _copy(self.model)))

    def bind_data(self) -> Bound | None:
        """Return a function that returns the data; None where there is none."""
        if self.data is None:
            return None
        blamed = self.data["train"] if isinstance(self.data, Mapping) else self.data
        return functools.partial(_named(blamed, lambda: self.data))


NONE = Objects()
"""No objects: everything is what the config says."""


def _named(thing: object, function: Any) -> Any:
    """Return a function with the name of the class of an object, for messages."""
    function.__module__, function.__qualname__ = type(thing).__module__, type(thing).__qualname__
    return function


def _copy(model: Any) -> Any:
    try:
        return copy.deepcopy(model).cpu()
    except FastrunError:
        raise
    except Exception as error:
        message = f"the model cannot be copied: {type(error).__name__}: {error}"
        raise ConfigError(
            message, "a run trains a copy: keep out of the model what copy.deepcopy cannot copy"
        ) from error


def _describe_model(model: nn.Module) -> dict[str, Any]:
    from torch.nn.parameter import is_lazy

    weights = sum(weight.numel() for weight in model.parameters() if not is_lazy(weight))
    return {OBJECT: class_name(model), "parameters": weights}


def _quoted(value: Any) -> str:
    """Return a value as it is written in an override."""
    return f"'{value}'" if isinstance(value, str) else str(value)


def _check_model(model: object) -> None:
    from torch import nn

    if isinstance(model, nn.Module):
        return
    if isinstance(model, type):
        raise UsageError(f"model={model.__name__} is a class", f"give an object of it: model={model.__name__}(…)")
    hint = 'an option of the menu is chosen by an override: "model=mlp"'
    raise UsageError(f"model=… is of the type {type(model).__name__}, not a torch.nn.Module", hint)


def _check_data(data: object) -> None:
    if any(kind.__name__ == "LightningDataModule" for kind in type(data).__mro__):
        return
    if not isinstance(data, Mapping):
        name = f"the class {data.__name__}" if isinstance(data, type) else f"of the type {type(data).__name__}"
        raise UsageError(f"data=… is {name}", _SPLITS_HINT)
    for split in ("train", "val"):
        if data.get(split) is None:
            raise DataError(f"data=… has no {split} set", _SPLITS_HINT)


def _check_callbacks(callbacks: object) -> None:
    from pytorch_lightning import Callback

    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise UsageError(f"callbacks=… is of the type {type(callbacks).__name__}", "give a list: callbacks=[…]")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            name = callback.__name__ if isinstance(callback, type) else type(callback).__name__
            raise UsageError(f"callbacks=[…]: {name} is no object of a Lightning Callback", "from pytorch_lightning")
