"""What a trained model takes as inputs, and how these become the tensors that its run was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fastrun.components.data.learned import DataState
from fastrun.components.data.picture import Pixels, decode, to_pixels
from fastrun.components.data.text_inputs import TokenText, WholeTexts
from fastrun.errors import DataError, nearest


class InputKind(Protocol):
    """One kind of inputs."""

    def describe(self) -> str:
        """Return what is taken, in words."""
        ...

    def prepare(self, inputs: Any) -> Tensor:
        """Return a batch of inputs as the run's data would hold it.

        Raises:
            DataError: the inputs are of another kind, shape or range.
        """
        ...


def input_kind(learned: DataState) -> InputKind:
    """Return the kind of inputs that fits what a run learned from its data."""
    if not learned.is_paired:
        return Unknown()
    if "columns" in learned.encoding:
        return Rows(learned)
    if learned.task.name == "language" and learned.classes is not None:
        return Text(learned) if learned.tokenizer is None else TokenText(learned)
    if learned.tokenizer is not None:
        return WholeTexts(learned)
    if learned.dtype == "uint8" and len(learned.in_shape) == 3:
        return Images(learned)
    return Tensors(learned)


class Unknown:
    """Samples that are no pairs of an input and a target: only the network itself knows its inputs among them."""

    def describe(self) -> str:
        """Return what is taken, in words."""
        return "samples as its own steps take them: call model.net in Python"

    def prepare(self, inputs: Any) -> Tensor:
        """Refuse.

        Raises:
            DataError: in any case.
        """
        problem = "the samples that this model was trained on are no pairs, so its inputs are not known"
        raise DataError(problem, "call the network in Python: fastrun.load(RUN).net(…)")


@dataclass(frozen=True)
class Tensors:
    """Tensors or arrays of samples as the data set holds them."""

    learned: DataState

    def describe(self) -> str:
        """Return what is taken, in words."""
        return f"a tensor or an array of {self.learned.dtype} {_shape(self.learned.in_shape)}"

    def prepare(self, inputs: Any) -> Tensor:
        """Return a batch ``[batch, …]``; a single sample becomes a batch of one.

        Raises:
            DataError: the inputs are no numbers, or of another shape or type.
        """
        x = _as_tensor(inputs, self.describe())
        x = _as_batch(x, self.learned.in_shape, self.describe())
        dtype: torch.dtype = getattr(torch, self.learned.dtype)
        if x.is_floating_point() and not dtype.is_floating_point:
            raise DataError(f"the inputs are {_dtype(x)}", f"the model takes {self.describe()}")
        return x.to(dtype)


@dataclass(frozen=True)
class Images:
    """Images as bytes, as floats in [0, 1], as Pillow's images, or as paths of files."""

    learned: DataState

    def describe(self) -> str:
        """Return what is taken, in words."""
        shape = _shape(self.learned.in_shape)
        bright = "" if self._white == 255 else f" in 0 to {self._white}"
        return f"uint8 images{bright} or float images in [0, 1] {shape}, paths of image files, or images of Pillow"

    @property
    def _white(self) -> int:
        """Return the value of the brightest pixel in the run's data."""
        return int(self.learned.encoding.get("white", 255))

    def prepare(self, inputs: Any) -> Tensor:
        """Return uint8 images ``[batch, channels, height, width]``.

        Raises:
            DataError: an image cannot be read, or is of another shape or range.
        """
        images = [inputs] if _is_image(inputs) else inputs
        if isinstance(images, (list, tuple)) and images and all(map(_is_image, images)):
            return torch.stack([self._read(image) for image in images])
        x = _as_tensor(inputs, self.describe())
        if x.numel() == 0:
            raise DataError("there are no images", f"the model takes {self.describe()}")
        if self.learned.in_shape == (1, *x.shape[-2:]) and x.ndim < 4:  # gray images often have no axis of channels
            x = x.reshape(-1, *self.learned.in_shape)
        return self._to_bytes(_as_batch(x, self.learned.in_shape, self.describe()))

    def _read(self, image: Any) -> Tensor:
        """Return an image as uint8; it is only resized if the run resized its own."""
        size = self.learned.encoding.get("size")
        is_gray = self.learned.in_shape[0] == 1
        is_path = isinstance(image, (str, Path))
        pixels = decode(str(image), size, is_gray) if is_path else to_pixels(image, size, is_gray)
        if pixels.shape != self.learned.in_shape:
            name = str(image) if is_path else "an image"
            raise DataError(f"{name} has shape {list(pixels.shape)}", f"the model takes {self.describe()}")
        return torch.from_numpy(self._rescaled(pixels, str(image) if is_path else "an image"))

    def _rescaled(self, pixels: Pixels, name: str) -> Pixels:
        """Return the pixels of a picture, whose white is 255, in the range of the run's data."""
        white = self._white
        if white == 255:
            return pixels.copy()  # Pillow's own memory cannot be written
        if 0 < pixels.max() <= white:
            problem = f"{name} is nearly black: its brightest pixel is {pixels.max()} of 255"
            raise DataError(problem, f"give images in 0 to {white} as an array of uint8")
        return np.round(pixels * (white / 255)).astype(np.uint8)

    def _to_bytes(self, x: Tensor) -> Tensor:
        white = self._white
        low, high = (float(value) for value in x.aminmax())
        if x.is_floating_point() and low >= 0 and high <= 1:
            return (x * white).round().to(torch.uint8)
        if not x.is_floating_point() and low >= 0 and high <= white:
            return x.to(torch.uint8)
        kind, allowed = ("float images", "[0, 1]") if x.is_floating_point() else ("whole numbers", f"0 to {white}")
        raise DataError(
            f"the images hold values from {low:g} to {high:g}: {kind} must be in {allowed}",
            f"the model takes {self.describe()}",
        )


def _is_image(value: Any) -> bool:
    return isinstance(value, (str, Path)) or hasattr(value, "getbands")


@dataclass(frozen=True)
class Rows:
    """Rows of a table: as dicts, as a data frame, or encoded already."""

    learned: DataState

    @property
    def columns(self) -> list[str]:
        """Return the columns that a row needs."""
        return [column["name"] for column in self.learned.encoding["columns"]]

    def describe(self) -> str:
        """Return what is taken, in words."""
        return f"rows as dicts, or a data frame of polars or pandas, with the columns {', '.join(self.columns)}"

    def prepare(self, inputs: Any) -> Tensor:
        """Return float32 ``[rows, inputs]``; rows that are numbers already are taken as they are.

        Raises:
            DataError: a column is missing, or its values are of another kind.
        """
        if isinstance(inputs, (Tensor, np.ndarray)):
            return Tensors(self.learned).prepare(inputs)
        import polars

        from fastrun.components.data.frame import clean
        from fastrun.components.data.table import encode_rows

        if isinstance(inputs, Mapping):
            inputs = [inputs]
        if type(inputs).__module__.startswith("pandas"):
            inputs = polars.from_pandas(inputs)
        if isinstance(inputs, Sequence) and inputs and all(isinstance(row, Mapping) for row in inputs):
            self._check_keys(inputs)
            inputs = polars.from_dicts([dict(row) for row in inputs], infer_schema_length=None)
        if isinstance(inputs, Sequence) and not inputs:
            raise DataError("there are no rows", f"the model takes {self.describe()}")
        if not isinstance(inputs, polars.DataFrame):
            raise DataError(f"the inputs are a {type(inputs).__name__}", f"the model takes {self.describe()}")
        frame = clean(inputs, self.learned.encoding["missing"])
        return torch.from_numpy(encode_rows(frame, self.learned.encoding, "the table"))

    def _check_keys(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Check that each row has each column; a value that is missing is None."""
        for number, row in enumerate(rows, 1):
            if absent := [name for name in self.columns if name not in row]:
                hint = nearest(absent[0], list(row)) or "give None for a value that is missing"
                raise DataError(f"row {number} of {len(rows)} has no {', '.join(absent)}", hint)


@dataclass(frozen=True)
class Text:
    """Texts of one length each call, or the indices of their characters."""

    learned: DataState

    def describe(self) -> str:
        """Return what is taken, in words."""
        return f"a text or texts of one length, of {self.learned.task.outputs} known characters"

    def prepare(self, inputs: Any) -> Tensor:
        """Return the index of each character, int64 ``[batch, length]``.

        Raises:
            DataError: a character is unknown, or the texts have different lengths.
        """
        if isinstance(inputs, Tensor):
            return inputs.unsqueeze(0) if inputs.ndim == 1 else inputs
        from fastrun.components.data.text import encode_known

        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        if not all(isinstance(text, str) for text in texts) or len({len(text) for text in texts}) != 1 or not texts[0]:
            raise DataError("the inputs are not texts of one length", f"the model takes {self.describe()}")
        return torch.stack([encode_known(text, self.learned.classes or [], "the text") for text in texts])


def _as_tensor(inputs: Any, described: str) -> Tensor:
    try:
        if isinstance(inputs, (list, tuple)) and inputs and isinstance(inputs[0], Tensor):
            return torch.stack(list(inputs))
        return torch.as_tensor(np.asarray(inputs) if isinstance(inputs, (list, tuple)) else inputs)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"the inputs are a {type(inputs).__name__}", f"the model takes {described}") from error


def _as_batch(x: Tensor, in_shape: tuple[int, ...], described: str) -> Tensor:
    """Return a batch of samples; a single sample becomes a batch of one."""
    if tuple(x.shape) == in_shape:
        return x.unsqueeze(0)
    if tuple(x.shape[1:]) != in_shape:
        raise DataError(f"the inputs have shape {list(x.shape)}", f"the model takes {described}")
    return x


def _shape(in_shape: tuple[int, ...]) -> str:
    return f"[batch, {', '.join(map(str, in_shape))}]" if in_shape else "[batch]"


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
