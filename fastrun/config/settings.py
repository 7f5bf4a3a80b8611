"""The typed configuration of a run, key by key.

A closed group is a dataclass here: its keys are fixed, and the domain of a key is in its type. An open group is a
dict with a ``_target_`` and that target's arguments, which :mod:`fastrun.config.instantiate` checks against the
target's signature. The options of a group are the files in ``conf/<group>/``; they are not listed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from math import prod
from typing import Annotated, Any, cast, get_type_hints

from fastrun.config.constraints import (
    Count,
    Factor,
    Length,
    Natural,
    NotNegative,
    Positive,
    Range,
    Seconds,
    Words,
)
from fastrun.config.monitor import KNOWN

Component = dict[str, Any]
Metric = Annotated[str, Words(KNOWN)]
Time = Annotated[str, Seconds()]
Processes = Annotated[int, Range(ge=1, le=1024)]
Halving = Annotated[float, Range(gt=0, le=1, advice="0.5 halves every learning rate")]
Decay = Annotated[float, Range(ge=0, lt=1, advice="0.999 is usual")]
BodyScale = Annotated[float, Range(gt=0, le=10, advice="to never train the body: transfer=linear_probe")]
Dropout = Annotated[float, Range(ge=0, lt=1)]
Views = Annotated[str, Words(("none", "mirror", "mirror_shift"))]
CompileMode = Annotated[str, Words(("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"))]


@dataclass
class BatchConfig:
    """Mini-batches."""

    kind: str = "fixed"  # the chosen option
    size: Count = 128  # samples per optimizer step, over all devices
    accumulate: Count = 1  # parts in which a batch is computed, to save memory; same result
    lr_scaling: Annotated[str, Words(("none", "linear", "sqrt"))] = "none"  # how optimizer.lr follows size / base_size
    base_size: Count = 256  # the batch size that optimizer.lr is meant for, with lr_scaling
    drop_last: bool = True  # leave out the last, smaller batch of each epoch; other epochs use its samples
    eval_size: Count | None = None  # samples of a validation's batch, on each device; null: chosen
    found: str = ""  # the outcome of batch=auto, written by fastrun


@dataclass
class ClipConfig:
    """Gradient clipping."""

    kind: str = "none"  # the chosen option
    max: Positive = 1.0  # limit: of the total 2-norm (norm), an absolute value (value), the ratio to the weights (agc)
    eps: NotNegative = 1e-3  # agc: the smallest weight norm of a unit that is used


@dataclass
class EarlyStoppingConfig:
    """Stopping before the last epoch."""

    kind: str = "none"  # the chosen option
    metric: Metric | None = None  # the metric to watch, with patience; null: target.metric
    patience: Count = 5  # validations without an improvement before the run stops
    min_delta: NotNegative = 0.0  # the improvement that does not count yet, in the metric's unit
    seconds: Positive | None = None  # budget: seconds of training; replaces epochs, and the schedule is fitted to it
    steps: Count | None = None  # budget: the same in optimizer steps


@dataclass
class CheckpointConfig:
    """Saving the state of a run."""

    kind: str = "standard"  # the chosen option
    every: Annotated[str, Length(minutes=True)] = "1ep"  # duration between two checkpoints; also in minutes: 10min
    keep: Natural | None = 2  # newest checkpoints to keep beside the best; null or 0: all


@dataclass
class OnDivergenceConfig:
    """What happens when a loss or a gradient is not a finite number."""

    kind: str = "stop"  # the chosen option
    factor: Halving = 0.5  # factor of every learning rate at each rewind
    times: Count = 3  # largest number of rewinds in a run
    rewinds: list[dict[str, Any]] = field(default_factory=list)  # rewinds so far: at, to, factor; written by fastrun

    def lr_factor(self, step: int) -> float:
        """Return the product of the factors of all rewinds that apply to a step.

        Args:
            step: the optimizer step, counted from 0.
        """
        return prod(float(rewind["factor"]) for rewind in self.rewinds if rewind["to"] <= step)


@dataclass
class AmpConfig:
    """Mixed precision."""

    kind: str = "off"  # the chosen option


@dataclass
class PipelineConfig:
    """How samples become batches on the device."""

    kind: str = "resident"  # the chosen option
    num_workers: Annotated[int, Range(ge=0, le=1024)] | None = None  # processes that load samples; null: 2, or measured
    prefetch: Annotated[int, Range(ge=1, le=1024)] = 4  # batches that each worker prepares ahead


@dataclass
class TransferConfig:
    """Starting from trained weights."""

    kind: str = "none"  # the chosen option
    source: str | None = (
        None  # a run, a file of weights, timm:NAME, torchvision:NAME/WEIGHTS or pretrained (timm's own)
    )
    match: Annotated[str, Words(("name", "order"))] = "name"  # match weights by name, or by order where names differ
    new_head: bool = False  # train a new head even if the source's fits, as for as many other classes
    freeze: Annotated[str, Length(zero=True)] = "1ep"  # finetune: duration for which only the head trains; 0: none
    lr_scale: BodyScale = 0.1  # finetune: factor of the body's learning rate
    layer_decay: Factor = 0.8  # finetune: factor of the learning rate per layer away from the head
    rank: Count = 8  # lora: rank of an adapter's two matrices
    alpha: Positive = 16.0  # lora: an adapter's output is multiplied by alpha / rank
    dropout: Dropout = 0.0  # lora: fraction of an adapter's inputs that a training step sets to zero
    targets: list[str] | None = None  # lora: endings of the names of layers with adapters; null: the usual ones


@dataclass
class EmaConfig:
    """Averaging weights over steps."""

    kind: str = "none"  # the chosen option
    every: Annotated[str, Length()] = "1"  # duration between two updates of the average
    decay: Decay = 0.999  # ema: share of the average that is kept per step, whatever every is
    warmup: bool = True  # ema: keep less of the average at first, which helps short runs
    start: Annotated[str, Length(zero=True)] = "75%"  # swa: duration before the first snapshot
    refit: Natural = 0  # training batches that refit batch norms before a validation; 0: none


_ROW = {"setting", "ms", "verdict"}  # of a candidate, as a trial describes it


@dataclass
class SpeedConfig:
    """Optimizations for speed, which change how something is computed, but not the result."""

    kind: str = "auto"  # the chosen option
    steps_per_call: Natural = 0  # optimizer steps per Lightning call; 0: chosen from measured time
    fused: bool | None = None  # fused optimizer kernels; null: where device and optimizer have them, if they are faster
    threads: Count | None = None  # threads that compute on the CPU; null: measured
    channels_last: bool | None = None  # channels_last memory format; null: for convolutions, if it is faster
    tf32: bool | None = None  # TF32 matrix multiplication on GPUs; null: true
    malloc: bool | None = None  # keep freed memory for the next step; null: true on CPUs
    compile: bool | None = None  # use torch.compile, timed as clock.compile; null: if it saves more than it takes
    compile_mode: CompileMode = "default"  # reduce-overhead: CUDA graphs
    checkpointing: bool = (
        False  # compute activations again in the backward pass instead of keeping them, to save memory
    )
    trial_seconds: NotNegative = 10.0  # to measure candidates for at most, and 3 % of the run; 0: no trial
    found: dict[str, Any] = field(default_factory=dict)  # the outcome of the trial, written by fastrun

    def has_valid_outcome(self) -> bool:
        """Say whether ``found`` is of the form in which fastrun writes it."""
        rows, step = self.found.get("rows", []), self.found.get("step_ms")
        are_rows = isinstance(rows, list) and all(isinstance(row, dict) and row.keys() >= _ROW for row in rows)
        return are_rows and (step is None or (type(step) in (int, float) and step > 0))

    def why(self, group: str) -> str:
        """Return why a trial chose the option of a group, in words; an empty text if none did."""
        rows = [row for row in self.found.get("rows", ()) if str(row["setting"]).startswith(f"{group}=")]
        times = [
            f"{row['setting']} {row['verdict'] if row['ms'] is None else format(row['ms'], 'g') + ' ms'}"
            for row in rows
        ]
        return f"measured: {', '.join(times)}" if times else ""


@dataclass
class DeviceConfig:
    """The device of the run."""

    kind: str = "auto"  # the chosen option
    accelerator: Annotated[str, Words(("auto", "cpu", "gpu"))] = "auto"
    count: Processes = 1  # devices of each node, or processes on its CPUs
    nodes: Processes = 1  # machines; torchrun or srun starts the processes on them
    offload: bool = False  # device=fsdp: keep weights, gradients and the optimizer's state in the memory of the host

    @property
    def world_size(self) -> int:
        """Return the number of processes."""
        return self.count * self.nodes


@dataclass
class TargetConfig:
    """The metric that a run is judged by, and the value to reach."""

    metric: Metric | None = None  # also decides on the best checkpoint; null: val/acc, val/perplexity or val/r2
    value: float | None = None  # the value to reach; null: none
    stop: bool = True  # end the run when it is reached


@dataclass
class SweepConfig:
    """How ``fastrun train -m`` runs its jobs; not part of the config of a job."""

    jobs: Processes | None = None  # jobs at a time, each in its own process; null: 1, on Ray as many as have room
    gpus: NotNegative | None = None  # GPUs of a job on Ray; 0.5: two share one; null: device.count, if there are any
    timeout: Time | None = None  # time limit of an attempt at a job: 90s, 30min or 2h; null: none
    grace: Time = "30s"  # time that a job has to save its state when it is stopped, before it is killed
    zip: Any = False  # true: zip swept keys instead of combining them; or a list of keys to zip
    random: Count | None = None  # number of random points of the grid to try; null: all points
    seed: Natural = 0  # seed of the random points
    file: str | None = None  # file with the overrides of one job per line

    @property
    def at_once(self) -> int:
        """Return the number of jobs that run at a time where ``jobs`` leaves that open and no cluster decides on it."""
        return self.jobs or 1


@dataclass
class Settings:
    """All settings of a run."""

    name: str | None = None  # folder in outputs; null: the recipe's name
    outputs: str = "outputs"  # folder of run directories
    seed: Natural = 0
    epochs: Count = 10
    steps: Count | None = None  # optimizer steps; replaces epochs
    val_every: Annotated[str, Length()] = "1ep"  # duration between two validations; the last step always validates
    views: Views = "none"  # test-time augmentation of images in a validation
    log_every: Count = 1  # steps per line of metrics.jsonl
    deterministic: bool = False  # refuse kernels whose results may differ from run to run
    target: TargetConfig = field(default_factory=TargetConfig)
    data: Component = field(default_factory=dict)
    tokenizer: Component = field(default_factory=dict)
    model: Component = field(default_factory=dict)
    init: Component = field(default_factory=dict)
    norm: Component = field(default_factory=dict)
    optimizer: Component = field(default_factory=dict)
    schedule: Component = field(default_factory=dict)
    loss: Component = field(default_factory=dict)
    augment: Component = field(default_factory=dict)
    logger: Component = field(default_factory=dict)
    batch: BatchConfig = field(default_factory=BatchConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    on_divergence: OnDivergenceConfig = field(default_factory=OnDivergenceConfig)
    amp: AmpConfig = field(default_factory=AmpConfig)
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    transfer: TransferConfig = field(default_factory=TransferConfig)
    ema: EmaConfig = field(default_factory=EmaConfig)
    speed: SpeedConfig = field(default_factory=SpeedConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    callbacks: dict[str, Any] = field(default_factory=dict)  # name: {_target_: a Lightning callback, …}
    metrics: dict[str, Any] = field(default_factory=dict)  # name: {_target_: a Metric, …, higher_is_better: …}
    choices: dict[str, Any] = field(default_factory=dict)  # the chosen option of each group, written by fastrun


OPEN = tuple(entry.name for entry in fields(Settings) if entry.type == "Component")
"""The names of the open groups."""

SEVERAL = ("metrics",)
"""The groups of which a run may choose several options at once, each under its own name: ``metrics=[auroc,mcc]``."""

CLOSED: dict[str, type[Any]] = {
    entry.name: cast(type[Any], entry.default_factory)
    for entry in fields(Settings)
    if is_dataclass(entry.default_factory)
}
"""The closed groups by name, each with its dataclass."""

_ADDED: dict[str, Component] = {"schedule": {"on_extend": "continue"}}  # to open groups since their format was raised
_REMOVED = {"device": {"strategy"}}  # from closed groups


def up_to_date(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a run as this version of fastrun writes it, from one of an older version of the same format.

    Args:
        config: the config as plain data, which is left as it is.
    """
    updated = dict(config)
    for group, values in _ADDED.items():
        if isinstance(part := config.get(group), dict):
            updated[group] = part | {key: value for key, value in values.items() if key not in part}
    for group, keys in _REMOVED.items():
        if isinstance(part := config.get(group), dict):
            updated[group] = {key: value for key, value in part.items() if key not in keys}
    return updated


def from_dict(config: dict[str, Any]) -> Settings:
    """Return settings from the dict that :func:`dataclasses.asdict` returned for them, in this version or an older one.

    Raises:
        TypeError: a key is unknown, or its value is no group.
    """
    groups = up_to_date(config).items()
    return Settings(**{key: CLOSED[key](**inner) if key in CLOSED else inner for key, inner in groups})


def closed_keys() -> Iterator[tuple[str, Field[Any]]]:
    """Yield the dotted name and the field of every key outside the open groups."""
    for entry in fields(Settings):
        if entry.name in CLOSED:
            yield from ((f"{entry.name}.{inner.name}", inner) for inner in fields(CLOSED[entry.name]))
        else:
            yield entry.name, entry


def domains() -> dict[str, Any]:
    """Return the annotation of every key of :func:`closed_keys`, with its domain, by the key's dotted name."""
    found: dict[str, Any] = {}
    for entry in fields(Settings):
        if entry.name in CLOSED:
            hints = get_type_hints(CLOSED[entry.name], include_extras=True)
            found |= {f"{entry.name}.{inner.name}": hints[inner.name] for inner in fields(CLOSED[entry.name])}
    hints = get_type_hints(Settings, include_extras=True)
    return found | {entry.name: hints[entry.name] for entry in fields(Settings) if entry.name not in CLOSED}


def known_keys() -> Iterable[str]:
    """Return the dotted names of :func:`closed_keys`, for hints and completion."""
    return [name for name, _ in closed_keys()]


def top_level_keys() -> list[str]:
    """Return the keys that are neither a group nor written by fastrun, for completion."""
    return [
        entry.name for entry in fields(Settings) if entry.name not in (*OPEN, *CLOSED, *SEVERAL, "callbacks", "choices")
    ]
