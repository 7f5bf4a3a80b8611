"""Fashion-MNIST itself; how its files are read is tested with those of every such set."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fastrun.components.data import fashion_mnist as module
from fastrun.components.data.fashion_mnist import fashion_mnist
from fastrun.errors import DataError

REAL = Path(__file__).parents[4] / "shared" / "data" / "fashion-mnist"


def test_without_a_root_debians_folder_is_read(tmp_path, monkeypatch):
    assert str(module.FASHION_MNIST.debian) == "/usr/share/datasets/fashion-mnist"
    for part in ("train", "t10k"):
        for name in ("images-idx3", "labels-idx1"):
            (tmp_path / f"{part}-{name}-ubyte.gz").write_bytes(b"no gzip file")
    monkeypatch.setattr(module, "FASHION_MNIST", replace(module.FASHION_MNIST, debian=tmp_path))
    with pytest.raises(DataError, match=f"{tmp_path}/.* cannot be read"):
        fashion_mnist()


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not at {REAL}")
def test_the_real_set_is_read_whole():
    parts = fashion_mnist(str(REAL))
    assert (parts["classes"][0], parts["classes"][9]) == ("T-shirt/top", "Ankle boot")
    assert {name: len(parts[name]) for name in ("train", "val", "test")} == {
        "train": 55_000,
        "val": 5_000,
        "test": 10_000,
    }
    for name, count in (("train", 5_500), ("val", 500), ("test", 1_000)):
        assert torch.bincount(parts[name].tensors[1]).tolist() == [count] * 10
    images = torch.cat([parts["train"].tensors[0], parts["val"].tensors[0]])
    assert images.float().mean().item() == pytest.approx(72.9404, abs=1e-3)  # 0.2860, as published, of 255
