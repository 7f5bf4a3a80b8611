"""The rules that name a training's bottleneck."""

from __future__ import annotations

from dataclasses import dataclass

from fastrun.tune.diagnose.shares import Measured

# A part of a run's time is a bottleneck from this share on; the host's own work, only where it also takes more than the
# computation. Computation is what the time is for: where no other part is a bottleneck, the training is compute-bound.
LIMITS = {"data": 0.15, "host": 0.3, "validation": 0.2, "checkpoint": 0.1}

ENOUGH_CPU = 0.8  # a process that got less of the CPU time that it asked for shares the machine with other work
STEADY = 0.3  # where the system does not tell that time: steps whose quartiles lie further apart mean other work
_ROUGH = 0.15  # steps that differ by more from turn to turn make the shares rough

NAMES = {
    "data": "input-bound",
    "validation": "validation-bound",
    "checkpoint": "checkpoint-bound",
    "host": "host-bound",
    "compute": "compute-bound",
}


@dataclass(frozen=True)
class Verdict:
    """A bottleneck of a training.

    Attributes:
        name: ``input-bound``, ``compute-bound``, ``host-bound``, ``validation-bound``, ``checkpoint-bound`` or ``busy
            machine``.
        reason: the evidence, in words.
        advice: what helps beside the overrides that are tried.
    """

    name: str
    reason: str
    advice: str


def judge(measured: Measured) -> list[Verdict]:
    """Return the bottlenecks of a training, of which the first is the verdict.

    On a busy machine that comes first, since it makes the other numbers rough. The others come by the share of the time
    that they take.
    """
    busy = [Verdict("busy machine", _busy_reason(measured), _busy_advice(measured))] if is_busy(measured) else []
    shares = measured.shares()
    parts = [part for part in LIMITS if shares[part] >= LIMITS[part]]
    if shares["host"] <= shares["compute"]:
        parts = [part for part in parts if part != "host"]
    parts = sorted(parts, key=lambda part: -shares[part]) or ["compute"]
    return busy + [Verdict(NAMES[part], _REASONS[part](measured, shares[part]), _ADVICE[part]) for part in parts]


def is_busy(measured: Measured) -> bool:
    """Say whether other work takes so much of the machine that the other numbers say little."""
    share = measured.steps.cpu_share
    return share < ENOUGH_CPU if share is not None else measured.steps.drift > STEADY


def notes(measured: Measured) -> list[str]:
    """Return what else a reader of the numbers should know."""
    steps = measured.steps
    found = []
    if steps.drift > _ROUGH and not is_busy(measured):
        why = "other work, or a network that computes something else each time"
        found.append(f"steps differ by {percent(steps.drift)} from turn to turn, so the shares are rough: {why}")
    shares = measured.shares()
    if over := [part for part in LIMITS if LIMITS[part] <= shares[part] < shares["compute"] and part != "host"]:
        limits = ", ".join(f"{NAMES[part]} from {percent(LIMITS[part])}" for part in over)
        found.append(
            f"a verdict names what can be saved, not the largest share ({limits} of the time): "
            f"computation takes {percent(shares['compute'])}"
        )
    if measured.flops is None:
        found.append("the model's operations cannot be counted")
    elif measured.flops.uncounted:
        names = ", ".join(measured.flops.uncounted)
        found.append(f"operations without a formula are missing in the flops: {names}")
    return found


def percent(share: float) -> str:
    """Return a share in percent, as text."""
    return f"{100 * share:.0f} %"


def _busy_reason(measured: Measured) -> str:
    share = measured.steps.cpu_share
    if share is None:
        return f"steps differ by {percent(measured.steps.drift)} from turn to turn"
    return f"other work takes the cores: this process got {percent(share)} of the CPU time that it asked for"


def _busy_advice(measured: Measured) -> str:
    fewer = "; beside other work one thread is faster: OMP_NUM_THREADS=1" if measured.machine.threads > 1 else ""
    return f"measure again when the machine is quiet{fewer}"


def _compute_reason(measured: Measured, share: float) -> str:
    reached = measured.peak_share
    of_peak = f", at {percent(reached)} of what a matrix product reaches here" if reached is not None else ""
    return f"{percent(share)} of the time is computation{of_peak}"


def _data_reason(measured: Measured, share: float) -> str:
    steps = measured.steps
    loaded, taken = (steps.batch / max(seconds, 1e-9) for seconds in (steps.loader, steps.step))
    pace = f"the data alone comes at {loaded:,.0f} samples/s, and the step could take {taken:,.0f}"
    return f"{percent(share)} of the time a step waits for data: {pace}"


def _host_reason(measured: Measured, share: float) -> str:
    steps = measured.steps
    if steps.fixed >= (steps.outside or 0.0):
        return f"{percent(share)} of the time does not depend on the batch: Python, launching, updating the weights"
    if steps.on_gpu:
        return "the GPU waits for the host, which launches kernels"
    return f"{percent(share)} of the time is Python code outside of torch's operations"


_REASONS = {
    "data": _data_reason,
    "validation": lambda measured, share: (
        f"{percent(share)} of the time goes to validations, {measured.validation:.3g} s each"
    ),
    "checkpoint": lambda measured, share: f"{percent(share)} of the time goes to saving checkpoints",
    "host": _host_reason,
    "compute": _compute_reason,
}
_ADVICE = {
    "data": "let the data set compute less a sample, or once for all (data.cache=true in an image folder; "
    "`fastrun data pack --size` for one that fits no memory); more cores",
    "validation": "a smaller validation set, or val_every=…",
    "checkpoint": "checkpoint.every=…, or outputs=… on a faster disk",
    "host": "larger batches; fewer and larger operations in the model's forward",
    "compute": "a smaller model or smaller inputs; a faster device",
}
