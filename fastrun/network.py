"""The network of a run: built, initialized, tried out on two samples."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from fastrun import component, kernels
from fastrun.data.sets import Sets, size_of
from fastrun.errors import ConfigError, FastrunError
from fastrun.heuristics import Heuristics
from fastrun.pipeline.standardize import Standardize
from fastrun.seed import derive
from fastrun.settings import Settings

_EXAMPLES = 1000


def network(settings: Settings, sets: Sets, scale: Standardize, heuristics: Heuristics) -> nn.Module:
    """Build the network for the data and set its first weights, both as a function of the seed alone.

    Raises:
        ConfigError: the model cannot be built, or does not turn a batch of this data into logits.
    """
    model = component.bind("model", settings.model)
    if model is None:
        raise ConfigError("model._target_ is not set", "choose a model: `fastrun options model`")
    norm = component.bind("norm", settings.norm)
    vocabulary = sets.task.vocabulary
    data = {"in_shape": sets.in_shape, "num_classes": sets.num_classes, "vocabulary": vocabulary}
    offered = component.named(model, **data, norm=norm)
    component.missing("model", model, *offered)
    if "norm" not in offered:
        heuristics.use("norm", "the model's own", f"{settings.model['_target_']} takes no norm")
    torch.manual_seed(derive(settings.seed, "init"))
    net = _call(model, **offered)
    init = component.bind("init", settings.init)
    if init is not None:
        asked = component.named(init, examples=None)
        init(net, **{name: _examples(sets, scale) for name in asked})
    _try_out(net, sets, scale)
    return net


def _examples(sets: Sets, scale: Standardize) -> torch.Tensor:
    """Return the first scaled inputs of the training set, for an initialization that looks at data."""
    count = min(_EXAMPLES, size_of(sets.train))
    return cast(torch.Tensor, scale(torch.stack([torch.as_tensor(sets.train[index][0]) for index in range(count)])))


def _call(model: component.Bound, **offered: Any) -> nn.Module:
    try:
        net = model(**offered)
    except FastrunError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"the model cannot be built: {str(error).splitlines()[0]}") from error
    if not isinstance(net, nn.Module):
        raise ConfigError(f"the model's _target_ returned {type(net).__name__}, not a torch.nn.Module")
    return net


def _try_out(net: nn.Module, sets: Sets, scale: Standardize) -> None:
    x = torch.stack([torch.as_tensor(sets.train[0][0])] * 2)
    was = net.training
    net.eval()
    try:
        with torch.no_grad():
            out = net(scale(x))
    except (FastrunError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"the model does not take samples of shape {list(sets.in_shape)}: {reason}") from error
    finally:
        net.train(was)
    expected = sets.task.shape(2, sets.in_shape)
    if not isinstance(out, torch.Tensor):
        raise ConfigError(
            f"the model returns a {type(out).__name__} for 2 samples", f"it should be a tensor, {list(expected)}"
        )
    shape = tuple(out.shape)
    if shape != expected:
        raise ConfigError(f"the model returns {list(shape)} for 2 samples; it should be {list(expected)}")


def check_takes_one(net: nn.Module, sets: Sets, scale: Standardize) -> None:
    """Check that a network in training takes a batch of one sample, as batch norm over vectors does not.

    Raises:
        ConfigError: it does not.
    """
    x = torch.as_tensor(sets.train[0][0]).unsqueeze(0)
    was = net.training
    try:
        with torch.no_grad():
            kernels.keep_buffers(net, lambda: net.train()(scale(x)))
    except ValueError as error:
        raise ConfigError(
            f"batches of one sample come up in an epoch, which the model cannot train on: {error}",
            "batch.drop_last=true, another batch.size, or a smaller batch.accumulate",
        ) from error
    finally:
        net.train(was)
