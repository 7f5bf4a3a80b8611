"""The typed configuration: what a composed config must look like, key by key.

Closed groups are the dataclasses here. Open groups (``dict``) hold one ``_target_`` and its arguments, which
:mod:`fastrun.component` checks against the target's own signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from math import prod
from typing import Any

Component = dict[str, Any]


@dataclass
class Batch:
    """Mini-batches."""

    kind: str = "fixed"  # fixed or auto: as large as it takes to train at full pace
    size: int = 128  # samples an optimizer step, over all devices
    accumulate: int = 1  # parts that a batch is computed in; changes the memory needed, not the result
    lr_scaling: str = "none"  # none, linear (Goyal et al. 2017) or sqrt: how optimizer.lr follows size / base_size
    base_size: int = 256  # the batch size that optimizer.lr is meant for, with lr_scaling
    drop_last: bool = True  # leave out an epoch's last, smaller batch; another epoch's order brings its samples
    found: str = ""  # what kind=auto found, written by fastrun


@dataclass
class Clip:
    """Gradient clipping."""

    kind: str = "none"  # none, norm (Pascanu et al. 2013), value or agc (Brock et al. 2021)
    max: float = 1.0  # largest: 2-norm of all gradients together, absolute value of one, ratio to a unit's weights
    eps: float = 1e-3  # the least norm of a unit's weights that agc compares with


@dataclass
class EarlyStopping:
    """Stopping before the last epoch."""

    kind: str = "none"  # none, patience or budget
    metric: str | None = "${target.metric}"
    patience: int = 5  # validations without an improvement
    min_delta: float = 0.0  # what counts as an improvement, in the metric's unit
    seconds: float | None = None  # of training, with kind=budget: the schedule is fitted to them, whatever epochs says
    steps: int | None = None  # the same in optimizer steps


@dataclass
class Checkpoint:
    """Saving the state of a run."""

    kind: str = "standard"  # standard, every or none
    every: str = "1ep"  # between two checkpoints; minutes, too: 10min
    keep: int | None = 2  # how many of the newest stay, beside the best; null or 0: all


@dataclass
class OnDivergence:
    """What becomes of a run whose loss or gradient is no finite number any more."""

    kind: str = "stop"  # stop, or rewind: go back to the newest checkpoint and on with lower rates
    factor: float = 0.5  # of every learning rate, once more for each rewind
    times: int = 3  # rewinds of a run, at most
    rewinds: list[dict[str, Any]] = field(default_factory=list)  # those there were: at, to, factor; written by fastrun

    def share(self, step: int) -> float:
        """Return what rewinds have left of the rates of a step, the first being 0."""
        return prod(float(rewind["factor"]) for rewind in self.rewinds if rewind["to"] <= step)


@dataclass
class Amp:
    """Mixed precision."""

    kind: str = "off"  # off, auto, bf16 or fp16


@dataclass
class Pipeline:
    """How samples become batches on the device."""

    kind: str = "resident"  # resident, workers or plain
    num_workers: int = 2  # processes that load samples, with kind=workers
    prefetch: int = 4  # batches a worker prepares ahead


@dataclass
class Transfer:
    """Starting from trained weights."""

    kind: str = "none"  # none, finetune or linear_probe
    source: str | None = None  # a run directory, a checkpoint, a file of weights, timm:NAME or pretrained (timm's own)
    match: str = "name"  # name, or order: the same tensors in the same order, under other names
    new_head: bool = False  # leave out the head even where it fits, as for other classes of the same number
    freeze: str = "1ep"  # how long the head trains alone, with finetune; 0: never
    lr_scale: float = 0.1  # of the body's learning rate, with finetune
    layer_decay: float = 0.8  # of the body's learning rate, once more for each layer further from the head


@dataclass
class Ema:
    """Averaging weights over steps."""

    kind: str = "none"  # none, ema or swa (Izmailov et al. 2018)
    every: str = "1"  # between two updates of the average
    decay: float = 0.999  # ema: the share that the average keeps a step, whatever every is
    warmup: bool = True  # ema: keep less of it at first, so that short runs profit
    start: str = "75%"  # swa: of the run, before the first snapshot
    refit: int = 0  # training batches to measure batch norms on before a validation; 0: their statistics are averaged


@dataclass
class Speed:
    """What is done for speed alone; it never changes what is computed, only how."""

    kind: str = "auto"  # auto or plain
    steps_per_call: int = 0  # optimizer steps a Lightning call; 0: chosen from the length of a step
    fused: bool | None = None  # the optimizer's fused kernels; null: where device and optimizer have them
    channels_last: bool | None = None  # memory layout of convolutions; null: where there are any
    tf32: bool | None = None  # TF32 matrix products on GPUs; null: yes
    malloc: bool | None = None  # keep freed memory for the next step; null: on CPUs
    compile: bool = False  # torch.compile; its time is counted under clock.compile
    compile_mode: str = "default"  # default, reduce-overhead (CUDA graphs), max-autotune …


@dataclass
class Device:
    """Where the run happens."""

    kind: str = "auto"
    accelerator: str = "auto"  # auto, cpu or gpu
    count: int = 1  # devices, or processes on CPUs
    strategy: str = "auto"  # auto or ddp


@dataclass
class Target:
    """What the run is for."""

    metric: str | None = None  # decides on the best checkpoint, too; null: the task's val/acc, val/perplexity or val/r2
    value: float | None = None  # reached at the first validation at or past it
    stop: bool = True  # end the run there


@dataclass
class Sweep:
    """How ``fastrun train -m`` runs its jobs; no part of what a job is."""

    jobs: int = 1  # at a time, each in a process of its own with its share of the cores and GPUs
    timeout: str | None = None  # of an attempt at a job: 90s, 30min or 2h; null: none
    grace: str = "30s"  # what a job that is told to stop has to save, before it is killed
    zip: Any = False  # true: swept keys go side by side, not each with each; or a list of the keys that do
    random: int | None = None  # try so many points of the grid, drawn at random
    seed: int = 0  # of that draw
    file: str | None = None  # a file of override lines, a job each


@dataclass
class Settings:
    """One run, whole."""

    name: str | None = None  # the folder below outputs; null: the recipe's name
    outputs: str = "outputs"  # where run directories go
    seed: int = 0
    epochs: int = 10
    steps: int | None = None  # optimizer steps; overrides epochs
    val_every: str = "1ep"  # between two validations; the last step always validates
    views: str = "none"  # variants of an image that a validation averages logits over: none, mirror or mirror_shift
    log_every: int = 1  # steps a line of metrics.jsonl
    deterministic: bool = False  # refuse kernels that may differ from run to run
    target: Target = field(default_factory=Target)
    data: Component = field(default_factory=dict)
    model: Component = field(default_factory=dict)
    init: Component = field(default_factory=dict)
    norm: Component = field(default_factory=dict)
    optimizer: Component = field(default_factory=dict)
    schedule: Component = field(default_factory=dict)
    loss: Component = field(default_factory=dict)
    augment: Component = field(default_factory=dict)
    logger: Component = field(default_factory=dict)
    batch: Batch = field(default_factory=Batch)
    clip: Clip = field(default_factory=Clip)
    early_stopping: EarlyStopping = field(default_factory=EarlyStopping)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    on_divergence: OnDivergence = field(default_factory=OnDivergence)
    amp: Amp = field(default_factory=Amp)
    pipeline: Pipeline = field(default_factory=Pipeline)
    transfer: Transfer = field(default_factory=Transfer)
    ema: Ema = field(default_factory=Ema)
    speed: Speed = field(default_factory=Speed)
    device: Device = field(default_factory=Device)
    sweep: Sweep = field(default_factory=Sweep)
    callbacks: dict[str, Any] = field(default_factory=dict)  # name: {_target_: a Lightning Callback, …}
    choices: dict[str, Any] = field(default_factory=dict)  # group: option, written by fastrun


def plain(config: dict[str, Any]) -> Settings:
    """Return the settings that ``dataclasses.asdict`` made a dict of."""
    kinds = {entry.name: entry.default_factory for entry in fields(Settings)}
    made = {key: kinds[key](**inner) if is_dataclass(kinds[key]) else inner for key, inner in config.items()}  # type: ignore[operator]
    return Settings(**made)


OPEN = ("data", "model", "init", "norm", "optimizer", "schedule", "loss", "augment", "logger")


def known_keys() -> Iterable[str]:
    """Return every dotted key of the closed part, for hints and completion."""
    for entry in fields(Settings):
        value = entry.default_factory() if callable(entry.default_factory) else None
        if isinstance(value, dict) or value is None:
            yield entry.name
        else:
            yield from (f"{entry.name}.{inner.name}" for inner in fields(value))
