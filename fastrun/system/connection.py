"""Connections between the processes of a run: recognizing the error of a process whose counterpart is gone."""

from __future__ import annotations

import torch

# gloo has no class for its errors
_MESSAGES = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "TCPStore")


def is_broken(error: BaseException) -> bool:
    """Say whether an error means that another process has gone, rather than that this one has gone wrong."""
    network = getattr(torch.distributed, "DistError", None)
    if network is not None and isinstance(error, network):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)
