"""Building the network of a run: constructed, initialized, and tried out on samples of the data."""

from __future__ import annotations

from math import gcd
from typing import Any, cast

import torch
from torch import nn

from fastrun.components.amp.single_pixel import keep_in_float32, single_pixel_convolutions
from fastrun.components.data.learned import DataState
from fastrun.components.data.splits import Samples, size_of
from fastrun.components.data.stream import Stream
from fastrun.components.model.buffers import keep_buffers
from fastrun.components.model.recorded import RecordedNetwork
from fastrun.components.pipeline.reading import read_inputs
from fastrun.config import instantiate
from fastrun.config.objects import name_of
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.system.seed import derive, seeded
from fastrun.training.builders.setup import Setup, scaling_on
from fastrun.training.objective.lightning_module import call_hook, has_own_loss
from fastrun.training.objects import NONE, Objects

INIT = "init"  # the key of the random numbers of a network's constructor and its initialization
_EXAMPLES = 1000
_GOLDEN_SECTION = (5**0.5 - 1) / 2


def build_network(settings: Settings, setup: Setup, resolved: Resolved, *, initialize: bool = True) -> nn.Module:
    """Build the network for the data and initialize it; its weights depend only on the seed.

    A model of the user's may draw from torch, numpy or Python's ``random``.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        resolved: records what each group's option resolves to.
        initialize: whether to initialize the weights; without, they are those of the constructor, as for measuring.

    Returns:
        The network, on the CPU.

    Raises:
        ConfigError: the model cannot be built, or its outputs for this data have the wrong shape.
    """
    refusal = setup.splits.refusal
    if refusal is not None and "." not in name_of(settings.model):  # no network of fastrun has its own loss
        raise refusal
    torch.manual_seed(derive(settings.seed, INIT))  # GPUs too, and whatever draws from torch after the block
    with seeded(settings.seed, INIT):
        net = construct_network(settings, setup.learned, resolved, setup.objects)
        init = instantiate.bind("init", settings.init) if initialize and _takes_init(net, settings, resolved) else None
        if init is not None:
            examples = {"examples": _examples(setup)} if instantiate.accepted(init, examples=None) else {}
            init(net, **examples)
        if not has_own_loss(net):
            if refusal is not None:
                raise refusal
            _try_out(net, setup)
    return net


def construct_network(settings: Settings, learned: DataState, resolved: Resolved, objects: Objects = NONE) -> nn.Module:
    """Return the network for data as its constructor makes it, on the CPU.

    Raises:
        ConfigError: the model cannot be built.
    """
    model = objects.bind_model() or instantiate.bind("model", settings.model)
    if model is None:
        raise ConfigError("model._target_ is not set", "choose a model: `fastrun options model`")
    norm, task = instantiate.bind("norm", settings.norm), learned.task
    data = {"in_shape": learned.in_shape, "num_classes": task.outputs, "vocabulary": task.vocabulary}
    if "." not in name_of(settings.model):  # an argument of this name of the user's own is the user's
        data["learned"] = learned
    offered = instantiate.accepted(model, **data, norm=norm)
    instantiate.check_complete("model", model, *offered)
    if "norm" not in offered:
        resolved.record("norm", "the model's own", f"model={name_of(settings.model)} takes no norm")
    return _call(model, **offered)


def _takes_init(net: nn.Module, settings: Settings, resolved: Resolved) -> bool:
    """Say whether the weights of a network are to be initialized: not those of a library, unless it is asked for.

    Raises:
        ConfigError: it is asked for, and the network has trained weights.
    """
    if not isinstance(net, RecordedNetwork):
        return True
    name = name_of(settings.init)
    if settings.init.get("_target_") in (None, "auto"):
        drawn = net.origin or f"model={name_of(settings.model)} draws its weights"
        resolved.record("init", "the model's own", f"{drawn}; new: {net.fresh}" if net.fresh else drawn)
        return False
    if net.origin is not None:
        raise ConfigError(f"init={name} would replace the weights of {net.origin}", "use init=auto or init=default")
    return True


def _examples(setup: Setup) -> torch.Tensor:
    """Return inputs of the training set, scaled, ``[samples, …]``, for an initialization that uses data."""
    train = setup.splits.train
    inputs = read_inputs(train, _spread(train, _EXAMPLES))
    return _scaled(inputs, setup)


def _spread(samples: Samples, most: int) -> list[int]:
    """Return the indices of samples that are spread evenly over a set, as are the first few of them.

    Sets are often sorted by class, or go through the classes in turn. Steps of the golden section, whose size has no
    divisor in common with that of the set, meet each class as often as the whole set does.
    """
    count = size_of(samples)
    if isinstance(samples, Stream):
        return list(range(min(count, most)))
    step = round(count * _GOLDEN_SECTION)
    while gcd(step, count) != 1:
        step += 1
    return [index * step % count for index in range(min(most, count))]


def _scaled(x: torch.Tensor, setup: Setup) -> torch.Tensor:
    return cast(torch.Tensor, scaling_on(x.device, setup.learned)(x))


def _call(model: instantiate.Bound, **offered: Any) -> nn.Module:
    try:
        net = model(**offered)
    except FastrunError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"the model cannot be built: {str(error).splitlines()[0]}") from error
    if not isinstance(net, nn.Module):
        raise ConfigError(f"the model's _target_ returned {type(net).__name__}, not a torch.nn.Module")
    call_hook(net, "configure_model")
    call_hook(net, "setup", "fit")
    for name, weight in net.named_parameters():
        if weight.is_complex():
            raise ConfigError(
                f"the model's {name} holds complex numbers, which cannot be trained",
                "hold real and imaginary parts in a real parameter, and use torch.view_as_complex in forward",
            )
    return net


def _try_out(net: nn.Module, setup: Setup) -> None:
    """Check that the network takes two samples and returns a tensor of the right shape.

    Convolutions that turn out to work on single pixels are computed in float32 on a CPU.

    Raises:
        ConfigError: it does not.
    """
    splits = setup.splits
    x = read_inputs(splits.train, [0, 0])
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad(), single_pixel_convolutions(net) as convolutions:
            out = net(_scaled(x, setup))
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
        message = f"the model returns shape {list(shape)} for 2 samples; it should be {list(expected)}"
        raise ConfigError(message, splits.task.needs)
    if setup.device.torch_device.type == "cpu":
        for convolution in convolutions:
            keep_in_float32(convolution)


def check_takes_one(net: nn.Module, setup: Setup) -> None:
    """Check that a network in training mode takes a batch of one sample; batch norm over vectors does not.

    Raises:
        ConfigError: it does not.
    """
    x = read_inputs(setup.splits.train, [0])
    was_training = net.training
    try:
        with torch.no_grad():
            keep_buffers(net, lambda: net.train()(_scaled(x, setup)))
    except ValueError as error:
        raise ConfigError(
            f"an epoch has a batch of one sample, which the model cannot train on: {error}",
            "batch.drop_last=true, another batch.size, or a smaller batch.accumulate",
        ) from error
    finally:
        net.train(was_training)
