"""Predictions of a trained network for files: probabilities of classes or labels, or numbers in the targets' unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from fastrun.components.data.inputs import input_kind
from fastrun.components.data.learned import DataState
from fastrun.components.pipeline.evaluation import batch_size
from fastrun.components.pipeline.standardize import Standardize
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, DataError
from fastrun.system.cores import allowed_cores
from fastrun.system.memory import evaluating
from fastrun.training.trained.forward import Forward
from fastrun.training.trained.model import TrainedNetwork
from fastrun.training.trained.outputs import Meaning, output_names
from fastrun.training.trained.sources import Source, read_images

Progress = Callable[[int], None]  # is called with the number of sources that were done since its last call

_Read = tuple[Source, Tensor | DataError]

_MOST_READ = 256  # sources that are read ahead at most
_TASK = 32  # of these are read by a thread in one go
_LONG = 1e-3  # seconds to read a source that are worth several threads


@dataclass
class Predictions:
    """What a network predicts for some samples.

    Attributes:
        columns: the name of each value: the classes or labels, or the numbers that are predicted.
        are_classes: whether the values are probabilities of classes, of which a sample has one.
        are_labels: whether they are probabilities of labels, of which a sample may have any number.
        names: the name of each sample.
        values: ``[samples, columns]``, float32, on the CPU.
        failed: why a source has no predictions, by its name.
    """

    columns: list[str]
    are_classes: bool
    are_labels: bool = False
    names: list[str] = field(default_factory=list)
    values: Tensor = field(default_factory=lambda: torch.empty(0))
    failed: dict[str, str] = field(default_factory=dict)


def predict(
    trained: TrainedNetwork, sources: Sequence[Source], batch: int | None = None, on_progress: Progress | None = None
) -> Predictions:
    """Return the predictions for files; one that cannot be read is left out, and why is noted.

    Args:
        trained: the network, and what its run learned from its data.
        sources: the files, as :func:`~fastrun.training.trained.sources.find_sources` returns them.
        batch: the samples that are computed at once; None for a number that fits.
        on_progress: is called after each part of the sources, with their number.

    Raises:
        ConfigError: the network continues text, or returns masks or images.
        DataError: there is no source, or none can be read.
        OutOfMemory: the device is full.
    """
    learned = trained.learned
    if not sources:
        raise DataError("there is nothing to predict for", f"the model takes {input_kind(learned).describe()}")
    if learned.task.name == "language":
        raise ConfigError("this network continues text", "give it the beginning: --prompt TEXT")
    if learned.task.is_dense:
        what = "masks" if learned.task.name == "segmentation" else "images"
        raise ConfigError(f"this network returns {what}", "call it in Python: fastrun.load(RUN)(inputs)")
    is_multilabel = learned.task.name == "multilabel"
    found = Predictions(output_names(learned), learned.task.name == "classification", are_labels=is_multilabel)
    with torch.inference_mode():
        outputs = _Outputs(trained, batch)
        parts = []
        for part in _read_ahead(sources, min(outputs.batch, _MOST_READ)):
            read = [(source, samples) for source, samples in part if isinstance(samples, Tensor)]
            found.failed |= {source.name: error.message for source, error in part if isinstance(error, DataError)}
            found.names += [name for source, samples in read for name in source.names(len(samples))]
            if read:
                parts.append(outputs(torch.cat([samples for _, samples in read])))
            if on_progress is not None:
                on_progress(len(part))
    if not parts:
        message = next(iter(found.failed.values()))
        raise DataError(message, f"the model takes {input_kind(learned).describe()}")
    found.values = torch.cat(parts)
    return found


class _Outputs:
    """Computes what is predicted for samples as the run's data would hold them."""

    def __init__(self, trained: TrainedNetwork, batch: int | None) -> None:
        settings, learned = trained.settings, trained.learned
        self.learned = learned
        self.forward = Forward(trained)
        self.device = self.forward.device.torch_device
        self.scaling = Standardize(learned.mean, learned.scale).to(self.device)
        self.meaning = Meaning(settings, learned, self.device)
        self.batch = batch or settings.batch.eval_size or _fitting(settings, learned, self.device)

    def __call__(self, samples: Tensor) -> Tensor:
        with evaluating(self.batch):
            parts = [self._predict(part.to(self.device)) for part in samples.split(self.batch)]
            return torch.cat(parts).cpu()

    def _predict(self, samples: Tensor) -> Tensor:
        outputs = self.forward(self.scaling(samples))
        shape = self.learned.task.shape(len(samples), self.learned.in_shape)
        if not isinstance(outputs, Tensor) or outputs.shape != shape:  # a LightningModule may return anything
            found = list(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            hint = "call it in Python: fastrun.load(RUN).net"
            raise ConfigError(f"the network returns {found} for {len(samples)} samples, not {list(shape)}", hint)
        return self.meaning.predictions(outputs.float())


def _fitting(settings: Settings, learned: DataState, device: torch.device) -> int:
    values = max(prod(learned.in_shape), learned.task.outputs)
    return batch_size(values, -(-settings.batch.size // settings.batch.accumulate), device, resident=False)


def _read_ahead(sources: Sequence[Source], size: int) -> Iterator[list[_Read]]:
    """Yield sources with their samples, or with the error that reading them raised.

    Where reading takes long, as decoding large images does, all cores read the next ones meanwhile. Otherwise threads
    would wait for one another more than they save.
    """
    first, rest, seconds = [], sources[_TASK:], []
    for source in sources[:_TASK]:
        begin = perf_counter()
        first.append((source, _read(source)))
        seconds.append(perf_counter() - begin)
    yield first
    if not rest or median(seconds) < _LONG:
        yield from (_read_all(rest[start : start + size]) for start in range(0, len(rest), size))
        return
    with ThreadPoolExecutor(allowed_cores()) as pool:
        waiting: list[Future[list[_Read]]] = []
        for start in range(0, len(rest) + size, size):  # once more than there are parts, for the last one
            part = rest[start : start + size]
            ahead = [pool.submit(_read_all, part[at : at + _TASK]) for at in range(0, len(part), _TASK)]
            if waiting:
                yield [pair for future in waiting for pair in future.result()]
            waiting = ahead


def _read_all(sources: Sequence[Source]) -> list[_Read]:
    """Return sources with their samples: images together, which is faster, unless one of them cannot be read."""
    try:
        together = read_images(sources)
    except DataError:
        together = None
    if together is None:
        return [(source, _read(source)) for source in sources]
    return list(zip(sources, together.split(1), strict=True))


def _read(source: Source) -> Tensor | DataError:
    try:
        return source.read()
    except DataError as error:
        return error
