"""A network whose weights are divided among the processes of a run (fully sharded data parallelism).

Each process keeps a part of every weight, with its gradient and the optimizer's state, on its device or in the memory
of the host. The parts of a block are put together for its forward and its backward pass only.

Sources: Rajbhandari et al. 2020, "ZeRO: memory optimizations toward training trillion parameter models"; Zhao et al.
2023, "PyTorch FSDP: experiences on scaling fully sharded data parallel" (VLDB).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, OffloadPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from fastrun.components.blocks import blocks
from fastrun.errors import ConfigError


class Shards:
    """The parts of a network's weights that this process keeps.

    The network's own parameters are replaced by :class:`~torch.distributed.tensor.DTensor`. Whatever works element by
    element, such as an optimizer, takes the parts instead, which are plain tensors and share their memory.

    Args:
        net: the network, on the CPU or on the device.
        device: the device of this process.
        offload: keep the parts in the memory of the host, where the optimizer then works, too.

    Attributes:
        net: the network.
        whole: its parameters.
        parts: the part of each that this process keeps.
        home: the device where the parts are.

    Raises:
        ConfigError: a weight cannot be divided.
    """

    def __init__(self, net: nn.Module, device: torch.device, offload: bool = False) -> None:
        _check(net)
        if device.type == "cuda":
            torch.cuda.set_device(device)  # the parts move there
        mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
        policy = CPUOffloadPolicy(pin_memory=device.type == "cuda") if offload else OffloadPolicy()
        for module in [*blocks(net), net]:
            fully_shard(module, mesh=mesh, offload_policy=policy)
        self.net, self.home, self._device = net, torch.device("cpu") if offload else device, device
        self._home_mesh = init_device_mesh("cpu", mesh.shape) if offload else mesh
        self.whole: list[nn.Parameter] = list(net.parameters())
        self.parts = [nn.Parameter(_local(weight.detach()), weight.requires_grad) for weight in self.whole]
        self._by_weight: dict[Tensor, nn.Parameter] = dict(zip(self.whole, self.parts, strict=True))
        self._names = dict(net.named_parameters(remove_duplicate=False))  # tied weights have two
        self._order: list[nn.Parameter] = []

    def take_over(self, optimizer: Optimizer) -> None:
        """Let an optimizer that was built for the network's parameters update the parts instead."""
        for group in optimizer.param_groups:
            self._order += group["params"]
            group["params"] = [self._by_weight[weight] for weight in group["params"]]
        for weight in list(optimizer.state):  # some create it when they are built
            state = optimizer.state.pop(weight)
            optimizer.state[self._by_weight[weight]] = {name: _part(value) for name, value in state.items()}

    def collect_gradients(self) -> None:
        """Give each part the gradient that a backward pass has left in the network's parameter."""
        for weight, part in self._by_weight.items():
            part.grad = None if weight.grad is None else _local(weight.grad)
            weight.grad = None

    def clip_by_norm(self, parts: Iterable[nn.Parameter], limit: float) -> Tensor:
        """Scale all gradients together so that the 2-norm over all processes is at most ``limit``.

        Args:
            parts: parts with their gradients.
            limit: the largest norm.

        Returns:
            The norm before clipping.
        """
        gradients = [part.grad for part in parts if part.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(gradient, dtype=torch.float64) for gradient in gradients])
        square = self._reduced(norms.square().sum(), distributed.ReduceOp.SUM)
        norm = square.sqrt().float()
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor)
        return norm

    def agree(self, flag: Tensor) -> None:
        """Set a flag to its largest value in any process."""
        flag.copy_(self._reduced(flag, distributed.ReduceOp.MAX))

    def _reduced(self, value: Tensor, how: Any) -> Tensor:
        """Return what all processes' values make together; they send each other what is on their devices."""
        sent = value.to(self._device)
        distributed.all_reduce(sent, how)
        return sent.to(self.home)

    def share_buffers(self) -> None:
        """Give all processes the first one's buffers, such as running statistics of norms."""
        for buffer in self.net.buffers():
            distributed.broadcast(buffer, 0)

    def take_apart(self) -> None:
        """Forget the weights that an evaluation has put together, since the parts are about to change."""
        for module in self.net.modules():
            if isinstance(module, FSDPModule):
                module.reshard()

    def globalize(self, content: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return a checkpoint's content in which each part of a tensor is a DTensor that says which part it is."""
        return dict(self._mapped(content, (), self._as_part_of))

    def localize(self, content: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return a checkpoint's content with this process's part of each tensor that is divided.

        Args:
            content: tensors, which are whole or DTensors, and plain values; those in ``state_dict`` become DTensors.
        """
        ways = {key: self._as_weight if key == "state_dict" else self._part_of for key in content}
        return {key: self._mapped(value, (key,), ways[key]) for key, value in content.items()}

    def like(self, path: tuple[Any, ...]) -> DTensor | None:
        """Return the network's parameter that a tensor of a checkpoint is divided like, or None.

        Args:
            path: the keys that lead to the tensor.
        """
        weight: nn.Parameter | None = None
        match path:
            case ("state_dict", str(name)) if name.startswith("net."):
                weight = self._names.get(name.removeprefix("net."))
            case ("optimizer_states", 0, "state", int(index), _):
                weight = self._order[index]
            case ("fastrun", "average", "tensors", int(index)) if index < len(self.whole):
                weight = self.whole[index]
            case ("fastrun", "evaluation_weights", str(name)):
                weight = self._names.get(name)
        return weight if isinstance(weight, DTensor) else None

    def _mapped(self, value: Any, path: tuple[Any, ...], convert: Any) -> Any:
        """Return a copy of nested content with the tensors converted that are divided."""
        if isinstance(value, Mapping):
            return {key: self._mapped(inner, (*path, key), convert) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._mapped(inner, (*path, index), convert) for index, inner in enumerate(value)]
        like = self.like(path) if isinstance(value, Tensor) else None
        return value if like is None else convert(value, like)

    def _as_part_of(self, tensor: Tensor, like: DTensor) -> Tensor:
        """Return a tensor that is this process's part of a larger one as a DTensor, which says which part it is.

        Args:
            tensor: the part. A DTensor is returned as it is, as is a tensor of another shape, such as a count of steps.
            like: the parameter that the larger tensor is divided like.
        """
        if isinstance(tensor, DTensor) or tensor.shape != like.to_local().shape or tensor.ndim == 0:
            return tensor
        where, shape, stride = (self._home_mesh, like.placements), like.shape, like.stride()
        return DTensor.from_local(tensor, *where, run_check=False, shape=shape, stride=stride)

    def _part_of(self, tensor: Tensor, like: DTensor) -> Tensor:
        """Return this process's part of a tensor, which may be whole, as a plain tensor."""
        if isinstance(tensor, DTensor) or tensor.shape != like.shape:
            return _part(tensor)  # type: ignore[no-any-return]
        whole = tensor.to(self.home)
        return distribute_tensor(whole, self._home_mesh, like.placements, src_data_rank=None).to_local()

    def _as_weight(self, tensor: Tensor, like: DTensor) -> Tensor:
        """Return a tensor, which may be whole, as one that a parameter of the network can be loaded from.

        A DTensor is returned as it is, as is a tensor of another shape, which loading refuses by its name.
        """
        if isinstance(tensor, DTensor) or tensor.shape != like.shape:
            return tensor
        weight = torch.empty_like(like, requires_grad=False)
        _local(weight).copy_(self._part_of(tensor, like))
        return weight


def _check(net: nn.Module) -> None:
    """Check that each weight can be divided.

    Raises:
        ConfigError: one has no dimension.
    """
    for name, weight in net.named_parameters():
        if weight.ndim == 0:
            message = f"device=fsdp divides each weight by its first dimension, and {name} has none"
            raise ConfigError(message, "give it the shape [1], or use device=ddp")


def _local(tensor: Tensor) -> Tensor:
    assert isinstance(tensor, DTensor)
    return tensor.to_local()


def _part(value: Any) -> Any:
    """Return this process's part of a tensor that is divided; anything else as it is."""
    return value.to_local() if isinstance(value, DTensor) else value
