"""Handwritten digits: 1,797 images of 8x8 that come with scikit-learn. Source: UCI, Alpaydin & Kaynak 1998."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.datasets import load_digits

from fastrun.components.data.stratified_split import stratified_split
from fastrun.config.constraints import BelowOne, Natural


def digits(val_fraction: BelowOne = 0.2, test_fraction: BelowOne = 0.2, split_seed: Natural = 0) -> dict[str, Any]:
    """Return images as uint8 ``[n, 1, 8, 8]`` in 0..16, and labels 0..9; nothing is downloaded."""
    data = load_digits()
    x = torch.from_numpy(data.images).to(torch.uint8).unsqueeze(1)
    y = torch.from_numpy(data.target).long()
    splits = stratified_split(x, y, {"val": val_fraction, "test": test_fraction}, split_seed)
    return splits | {"classes": [str(name) for name in data.target_names], "encoding": {"white": 16}}
