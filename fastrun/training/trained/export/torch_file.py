"""A model as a graph of torch (.pt2), which torch runs without the code that made it."""

from __future__ import annotations

from io import BytesIO

import torch

from fastrun.training.trained.export.agreement import Function
from fastrun.training.trained.export.traced import Traced, quiet


def write(traced: Traced) -> bytes:
    """Return a graph as the content of a file."""
    file = BytesIO()
    with quiet():
        torch.export.save(traced.program, file)
    return file.getvalue()


def read(content: bytes) -> Function:
    """Return the function that a file computes."""
    with quiet():
        return torch.export.load(BytesIO(content)).module()
