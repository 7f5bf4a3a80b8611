"""Building the network of a run: constructed, initialized, and tried out on samples of the data."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from fastrun.components.data.splits import size_of
from fastrun.components.model.buffers import keep_buffers
from fastrun.config import instantiate
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.system.seed import derive
from fastrun.training.builders.setup import Setup

_EXAMPLES = 1000


def build_network(settings: Settings, setup: Setup, resolved: Resolved) -> nn.Module:
    """Build the network for the data and initialize it; its weights depend only on the seed.

    Returns:
        The network, on the CPU.

    Raises:
        ConfigError: the model cannot be built, or its outputs for this data have the wrong shape.
    """
    splits = setup.splits
    model = instantiate.bind("model", settings.model)
    if model is None:
        raise ConfigError("model._target_ is not set", "choose a model: `fastrun options model`")
    norm = instantiate.bind("norm", settings.norm)
    vocabulary = splits.task.vocabulary
    data = {"in_shape": splits.in_shape, "num_classes": splits.num_classes, "vocabulary": vocabulary}
    offered = instantiate.accepted(model, **data, norm=norm)
    instantiate.check_complete("model", model, *offered)
    if "norm" not in offered:
        resolved.record("norm", "the model's own", f"model={settings.model['_target_']} takes no norm")
    torch.manual_seed(derive(settings.seed, "init"))
    net = _call(model, **offered)
    init = instantiate.bind("init", settings.init)
    if init is not None:
        examples = {"examples": _examples(setup)} if instantiate.accepted(init, examples=None) else {}
        init(net, **examples)
    _try_out(net, setup)
    return net


def _examples(setup: Setup) -> torch.Tensor:
    """Return the first inputs of the training set, scaled, ``[samples, …]``, for an initialization that uses data."""
    train = setup.splits.train
    inputs = [torch.as_tensor(train[index][0]) for index in range(min(_EXAMPLES, size_of(train)))]
    return cast(torch.Tensor, setup.scaling(torch.stack(inputs)))


def _call(model: instantiate.Bound, **offered: Any) -> nn.Module:
    try:
        net = model(**offered)
    except FastrunError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"the model cannot be built: {str(error).splitlines()[0]}") from error
    if not isinstance(net, nn.Module):
        raise ConfigError(f"the model's _target_ returned {type(net).__name__}, not a torch.nn.Module")
    return net


def _try_out(net: nn.Module, setup: Setup) -> None:
    """Check that the network takes two samples and returns a tensor of the right shape.

    Raises:
        ConfigError: it does not.
    """
    splits = setup.splits
    x = torch.stack([torch.as_tensor(splits.train[0][0])] * 2)
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad():
            out = net(setup.scaling(x))
    except (FastrunError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the network may be the user's
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"the model does not take samples of shape {list(splits.in_shape)}: {reason}") from error
    finally:
        net.train(was_training)
    expected = splits.task.shape(2, splits.in_shape)
    if not isinstance(out, torch.Tensor):
        raise ConfigError(
            f"the model returns a {type(out).__name__} for 2 samples, not a tensor of shape {list(expected)}"
        )
    shape = tuple(out.shape)
    if shape != expected:
        raise ConfigError(f"the model returns shape {list(shape)} for 2 samples; it should be {list(expected)}")


def check_takes_one(net: nn.Module, setup: Setup) -> None:
    """Check that a network in training mode takes a batch of one sample; batch norm over vectors does not.

    Raises:
        ConfigError: it does not.
    """
    x = torch.as_tensor(setup.splits.train[0][0]).unsqueeze(0)
    was_training = net.training
    try:
        with torch.no_grad():
            keep_buffers(net, lambda: net.train()(setup.scaling(x)))
    except ValueError as error:
        raise ConfigError(
            f"an epoch has a batch of one sample, which the model cannot train on: {error}",
            "batch.drop_last=true, another batch.size, or a smaller batch.accumulate",
        ) from error
    finally:
        net.train(was_training)
