"""The samples of a split of a pack, as pairs of an input and a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from fastrun.components.data.packed.order import WindowOrder
from fastrun.components.data.packed.reader import ShardReader
from fastrun.components.data.picture import Size, check_shape, decode_bytes

Decode = Callable[[tuple[Any, ...]], tuple[Tensor, Any]]

_NAME = "a packed image"  # in messages: what does not fit was refused when it was packed, and damage is found before


class PackedSamples(Dataset[tuple[Tensor, Any]]):
    """Samples that are read from shards when they are needed.

    Attributes:
        order: the order of the samples in an epoch of training.
        channel_moments: the mean and the standard deviation of each channel of the training set; None if they do not
            count.

    Args:
        reader: reads what the shards hold.
        decode: makes an input and a target of it.
        window: the number of shards whose samples are shuffled together.
        moments: the mean and the standard deviation of each channel.
    """

    def __init__(
        self,
        reader: ShardReader,
        decode: Decode,
        window: int,
        moments: tuple[Tensor, Tensor] | None,
    ) -> None:
        self.reader, self.decode, self.channel_moments = reader, decode, moments
        self.order = WindowOrder([shard.samples for shard in reader.shards], window)
        self.sample_names = PackedNames(reader)

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self.decode(self.reader.read(index))

    def load(self, on_progress: Callable[[int], None]) -> TensorDataset:
        """Return all samples as tensors in memory.

        Args:
            on_progress: called for each sample with 1.
        """
        first, target = self[0]
        first, target = torch.as_tensor(first), torch.as_tensor(target)
        x, y = (first.new_empty(len(self), *first.shape), target.new_empty(len(self), *target.shape))
        for index in range(len(self)):
            x[index], y[index] = self[index]
            on_progress(1)
        return TensorDataset(x, y)

    @property
    def decoded_bytes(self) -> int:
        """Return the bytes that all inputs and targets take in memory."""
        x, y = self[0]
        return len(self) * (x.nbytes + torch.as_tensor(y).nbytes)


class PackedNames:
    """The names of samples: ``train/chunk-0-3.bin:17`` is the 18th of its shard."""

    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader

    def __getitem__(self, index: int, /) -> str:
        shard, number = self.reader.place(index)
        return f"{self.reader.shards[shard].file}:{number}"


class DecodeFile:
    """Decodes images that are kept as the bytes of their files.

    Args:
        size: the height and width to resize the images to; None to keep them as they are.
        shape: the shape that each image must have then.
    """

    def __init__(self, size: Size | None, shape: tuple[int, ...]) -> None:
        self.size, self.shape = size, shape

    def __call__(self, values: tuple[Any, ...]) -> tuple[Tensor, int]:
        """Return uint8 ``[3, height, width]`` and the label."""
        content, label = values
        image = decode_bytes(content, _NAME, self.size)
        check_shape(_NAME, image.shape, self.shape)
        return torch.from_numpy(image), label


def decode_pixels(values: tuple[Any, ...]) -> tuple[Tensor, int]:
    """Return an image that is kept decoded, uint8 ``[3, height, width]``, and the label."""
    image, label = values
    return image, label


def decode_row(values: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    """Return a row as float32 ``[inputs]``, and a label as int64 or a number as float32."""
    x, y = values
    return x, torch.tensor(y, dtype=torch.float32 if isinstance(y, float) else torch.int64)


def decode_window(values: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
    """Return a window of tokens as int64 ``[length]``, and the same window one token further on."""
    tokens = values[0].long()
    return tokens[:-1], tokens[1:]
