"""The connections of a process to the others of its run: making, breaking, and recognizing that one has broken."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

import torch
from torch import distributed
from torch.distributed import Store  # type: ignore[attr-defined]

from fastrun.system.place import Place

# gloo has no class for its errors
_MESSAGES = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "TCPStore")
_GET_ADDRESS = 0x8915  # SIOCGIFADDR of netdevice(7)


def is_broken(error: BaseException) -> bool:
    """Say whether an error means that another process has gone, rather than that this one has gone wrong."""
    network = getattr(torch.distributed, "DistError", None)
    if network is not None and isinstance(error, network):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)


def backend_for(device: str) -> str:
    """Return the name of what processes send each other tensors by.

    Args:
        device: the type of their device.
    """
    return "nccl" if device == "cuda" else "gloo"


class Group:
    """The process group in which the processes of a run compute together.

    Args:
        backend: ``gloo`` or ``nccl``.
        store: where the processes find each other.
        place: the place of this one.
    """

    def __init__(self, backend: str, store: Store, place: Place) -> None:
        if backend == "gloo" and place.nodes > 1:
            _choose_interface(place)
        before = _sockets()
        distributed.init_process_group(backend, store=store, rank=place.rank, world_size=place.world_size)
        self._backend, self._opened = backend, _sockets() - before

    def break_off(self) -> None:
        """End what a thread waits in for another process, with an error there. Gloo has no call for that."""
        if self._backend == "nccl":
            if (world := distributed.group.WORLD) is not None:
                world.abort()
            return
        for number in self._opened & _sockets():
            with suppress(OSError), socket.socket(fileno=os.dup(number)) as connection:
                connection.getpeername()  # fails for one that listens, which gloo needs
                connection.shutdown(socket.SHUT_RDWR)

    def leave(self) -> None:
        """Give up the connections."""
        if distributed.is_initialized():
            distributed.destroy_process_group()


def _sockets() -> set[int]:
    """Return the numbers of this process's open sockets; none where the system does not list them."""
    found = set()
    for path in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):
            if str(path.readlink()).startswith("socket:"):
                found.add(int(path.name))
    return found


def _choose_interface(place: Place) -> None:
    """Let gloo use the network interface that leads to the first process, unless the user chose one.

    Gloo itself takes the one that has the address of this node's name, which may be the loopback interface.
    """
    if "GLOO_SOCKET_IFNAME" in os.environ:
        return
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((place.address, place.port))
        address = probe.getsockname()[0]
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # an interface without an address
                found = fcntl.ioctl(probe.fileno(), _GET_ADDRESS, struct.pack("256s", name.encode()))
                if socket.inet_ntoa(found[20:24]) == address:
                    os.environ["GLOO_SOCKET_IFNAME"] = name
