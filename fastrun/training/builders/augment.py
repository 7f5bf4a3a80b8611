"""Building the augmentation of a run; one of the user's own is tried on two samples."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from fastrun.components.augment import Augment
from fastrun.components.data.splits import Splits, size_of
from fastrun.components.pipeline.reading import read_inputs
from fastrun.config import instantiate, registry
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError

_OWN = "an augmentation has draw(indices, seed, epoch) and __call__(x, draws): see docs/own.md"


def build_augment(settings: Settings, splits: Splits) -> Augment | None:
    """Return the augmentation; None where there is none.

    Raises:
        ConfigError: it does not fit the data, or its methods do not return what they should.
    """
    bound = instantiate.bind("augment", settings.augment)
    if bound is None:
        return None
    is_own = registry.target_of("augment", settings.augment["_target_"]) is None
    if len(splits.in_shape) != 3 and not is_own:
        raise ConfigError(
            f"augment needs images; samples of this data have shape {list(splits.in_shape)}", "use augment=none"
        )
    if splits.task.is_dense and getattr(bound.func, "moves_pixels", True):
        what = "masks" if splits.task.name == "segmentation" else "images"
        raise ConfigError(
            f"augment={settings.choices.get('augment')} changes inputs alone, and this data's targets are {what}",
            "use augment=none, or one of your own that says moves_pixels = False",
        )
    offered = instantiate.accepted(bound, in_shape=splits.in_shape, num_classes=splits.num_classes)
    instantiate.check_complete("augment", bound, *offered)
    augment = cast("Augment", bound(**offered))
    if getattr(augment, "mix", None) and splits.task.name not in ("classification", "multilabel"):
        raise ConfigError("mixup and CutMix are for classes; this data has numbers to predict", "use augment=none")
    if is_own:
        _try(augment, f"augment._target_={settings.augment['_target_']}", splits)
    return augment


def _try(augment: Augment, name: str, splits: Splits) -> None:
    """Check that an augmentation draws a row for each sample, and changes neither shape nor type of a batch.

    Raises:
        ConfigError: it does not.
    """
    if not callable(augment) or not callable(getattr(augment, "draw", None)):
        raise ConfigError(f"{name} makes a {type(augment).__name__} that is no augmentation", _OWN)
    indices = torch.tensor([0, size_of(splits.train) - 1])
    x = read_inputs(splits.train, indices.tolist())
    try:
        draws = augment.draw(indices, 0, 0)
        changed = augment(x.clone(), draws) if _has_rows(draws) else None
    except (FastrunError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        message, hint = instantiate.describe_error(type(augment), error)
        raise ConfigError(message, f"{hint}; {_OWN}" if hint else _OWN) from error
    if changed is None:
        raise ConfigError(f"{name}: draw does not return a tensor with a row for each of 2 samples", _OWN)
    if not isinstance(changed, Tensor) or (changed.shape, changed.dtype) != (x.shape, x.dtype):
        found = f"{changed.dtype} {list(changed.shape)}" if isinstance(changed, Tensor) else type(changed).__name__
        raise ConfigError(f"{name} makes {found} of a batch of {x.dtype} {list(x.shape)}", "it may change neither")


def _has_rows(draws: object) -> bool:
    return isinstance(draws, Tensor) and draws.ndim > 0 and len(draws) == 2
