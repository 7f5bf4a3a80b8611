"""The checks of ``gpu.py``: each is a function that gets a :class:`Bench`, asserts, and returns what it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any
from unittest.mock import patch

import torch
from checklist import Skip
from gpu_bench import Bench, finite_losses, near, without
from gpu_runs import (
    batch_auto,
    diverging_run,
    exact_resume,
    hub_networks,
    moved_checkpoint,
    offloaded,
    one_process_ddp,
    two_gpus,
)
from torch import Tensor

from fastrun.components.speed.memory_format import memory_format_of
from fastrun.compose import compose
from fastrun.config import registry
from fastrun.config.resolved import Resolved
from fastrun.errors import Diverged, FastrunError
from fastrun.system import torch_internals
from fastrun.training import step as step_module
from fastrun.training.builders.loaders import build_sampler, build_train_loader
from fastrun.training.builders.setup import set_up

PRECISIONS = {"off": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def precision(bench: Bench, kind: str) -> str:
    """Train in a precision."""
    if kind == "fp16" and not bench.is_gpu:
        raise Skip("fp16 needs a GPU")
    done = bench.attempt(f"amp={kind}")
    used = done.outcome.resolved.groups["amp"]["used"]
    assert used == PRECISIONS[kind], used
    losses = finite_losses(done)
    apart = near(losses, finite_losses(bench.attempt("amp=off")), 0.2)
    return f"{used}, losses {losses[0]:.4f} to {losses[-1]:.4f}, within {apart:.2g} of float32"


def tf32(bench: Bench) -> str:
    """Train with and without TF32."""
    if not bench.is_gpu:
        raise Skip("TF32 is of GPUs")
    losses = {}
    for is_used in ("true", "false"):
        losses[is_used] = finite_losses(bench.attempt("amp=off", f"speed.tf32={is_used}"))
        expected = "high" if is_used == "true" else "highest"
        assert torch.get_float32_matmul_precision() == expected
        assert torch.backends.cudnn.allow_tf32 == (is_used == "true")
    return f"with / without differ by {near(losses['true'], losses['false'], 0.1):.2g}"


def compiled(bench: Bench, mode: str) -> str:
    """Train compiled; a dense network where that is to be quick."""
    network = bench.vectors() if bench.quick else bench.images()
    plain = finite_losses(bench.attempt("amp=off", network=network))
    done = bench.attempt("amp=off", "speed.compile=true", f"speed.compile_mode={mode}", network=network)
    module = done.outcome.module
    assert module.compile_failure is None, module.compile_failure
    apart = near(finite_losses(done), plain, 0.1)
    return f"compiled in {module.clock.state()['compile']:.1f} s, losses within {apart:.2g}"


def channels_last(bench: Bench) -> str:
    """Train in both layouts; the network has no projections, which oneDNN cannot do in channels-last."""
    found, losses = {}, {}
    for is_used in ("true", "false"):
        overrides = ["amp=off", f"speed.channels_last={is_used}"]
        done = bench.attempt(*overrides, network=bench.images("cnn"))
        found[is_used], losses[is_used] = memory_format_of(done.outcome.module.net), finite_losses(done)
    assert (found["true"], found["false"]) == (torch.channels_last, None), found
    return f"losses differ by {near(losses['true'], losses['false'], 0.05):.2g}"


def batches_of(bench: Bench, device: str, kind: str, *overrides: str) -> list[tuple[Tensor, Tensor]]:
    """Return the first batches of a pipeline on a device, on the CPU."""
    workers = ["pipeline.num_workers=1"] if kind == "workers" else []
    settings = compose([*bench.images(), f"device={device}", f"pipeline={kind}", *workers, *overrides])
    setup = set_up(settings)
    sampler = build_sampler(settings, setup.splits, setup.device, Resolved({}))
    batches = build_train_loader(settings, setup, sampler, Resolved({})).batches(0)
    found = [(x.cpu(), y.cpu()) for x, y in islice(batches, 3)]
    close = getattr(batches, "close", None)
    if close is not None:
        close()
    return found


def apart(some: list[tuple[Tensor, Tensor]], others: list[tuple[Tensor, Tensor]]) -> float:
    """Return the mean difference of the images of batches, whose shapes are the same."""
    for (x, y), (other_x, other_y) in zip(some, others, strict=True):
        assert x.shape == other_x.shape
        assert y.shape == other_y.shape
        assert bool(torch.isfinite(x).all())
    return max(float((x.float() - other.float()).abs().mean()) for (x, _), (other, _) in zip(some, others, strict=True))


def pipeline(bench: Bench, kind: str) -> str:
    """Compare the batches of a pipeline on the device with those of the plain one on the CPU."""
    own = "gpu" if bench.is_gpu else "cpu"
    found = batches_of(bench, own, kind, "augment=crop_flip")
    difference = apart(found, batches_of(bench, "cpu", "plain", "augment=crop_flip"))
    assert difference < 1e-4, f"images differ by {difference:.2g} in the mean"
    workers = ["pipeline.num_workers=1"] if kind == "workers" else []
    done = bench.attempt(f"pipeline={kind}", "augment=crop_flip", *workers)
    return f"images differ by {difference:.1g}; loss {finite_losses(done)[-1]:.4f}"


def augmentation(bench: Bench, name: str) -> str:
    """Compare what an augmentation does on the device with what it does on the CPU."""
    own = "gpu" if bench.is_gpu else "cpu"
    found = batches_of(bench, own, "resident", f"augment={name}")
    difference = apart(found, batches_of(bench, "cpu", "plain", f"augment={name}"))
    assert difference < 0.02, f"images differ by {difference:.2g} in the mean"
    return f"images differ by {difference:.1g}"


def planted_infinity(bench: Bench, optimizer: str) -> str:
    """Take steps with an optimizer, then one whose inputs are infinite: it must end as Diverged, weights intact.

    A CPU would raise at the step itself; here it sets the flag that a GPU sets, and the optimizer goes on.
    """
    try:
        parts = bench.parts([*bench.vectors(), f"optimizer={optimizer}", "steps=20"])
    except FastrunError as error:
        if "not installed" in error.message or "no such module" in error.message:
            raise Skip(error.message) from error
        raise
    with patch.object(step_module, "can_raise_at_once", lambda *_: False):
        stepper = parts.build_stepper()
    batches = parts.loaders.train.batches(0)
    losses = [stepper.step(step, next(batches)).loss for step in range(3)]
    before = [weight.detach().clone() for weight in stepper.weights]
    x, y = next(batches)
    losses.append(stepper.step(3, (torch.full_like(x, math.inf), y)).loss)
    diverged = judged(stepper, 4, losses)
    assert diverged is not None, "an infinite input passed"
    assert diverged.step == 4, f"step {diverged.step}"
    assert all(bool(torch.isfinite(weight).all()) for weight in stepper.weights)
    is_same = all(torch.equal(one, other) for one, other in zip(before, stepper.weights, strict=True))
    assert is_same or not torch_internals.takes_found_inf(parts.update.optimizer), "the step changed weights"
    kernel = "fused" if not parts.optimizations["fused"] else "not fused"
    return f"{kernel}, {'weights unchanged' if is_same else 'weights finite, moved by momentum and decay alone'}"


def scaled_infinity(bench: Bench) -> str:
    """Take a step whose inputs are infinite in fp16: the weights stay, and the scale of the loss is halved."""
    if not bench.is_gpu:
        raise Skip("fp16 needs a GPU")
    parts = bench.parts([*bench.vectors(), "optimizer=adamw", "amp=fp16", "steps=20"])
    stepper, scaler, batches = parts.build_stepper(), parts.update.precision.scaler, parts.loaders.train.batches(0)
    assert scaler is not None
    for step in range(3):
        stepper.step(step, next(batches))
    before, scale = [weight.detach().clone() for weight in stepper.weights], scaler.get_scale()
    x, y = next(batches)
    stepper.step(3, (torch.full_like(x, math.inf), y))
    assert all(torch.equal(one, other) for one, other in zip(before, stepper.weights, strict=True)), "weights changed"
    assert scaler.get_scale() == scale / 2, (scale, scaler.get_scale())
    return f"weights unchanged, the scale went from {scale:g} to {scaler.get_scale():g}"


def judged(stepper: Any, last: int, losses: list[Tensor]) -> Diverged | None:
    """Return the error that a run would end with."""
    flags = stepper.nan_guard.flags(stepper.saved_tensors).tolist()
    error: Diverged | None = stepper.nan_guard.judge(last, [loss.item() for loss in losses], *flags)[1]
    return error


@contextmanager
def no_synchronization() -> Iterator[None]:
    """Raise an error for whatever makes the host wait for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def steps_without_waiting(bench: Bench, model: str, amp: str, optimizer: str = "adamw") -> str:
    """Take steps while every synchronization of the host raises."""
    if amp == "fp16" and not bench.is_gpu:
        raise Skip("fp16 needs a GPU")
    base = bench.vectors() if model == "mlp" else without(bench.images(model), "optimizer")
    parts = bench.parts([*base, f"optimizer={optimizer}", f"amp={amp}", "clip=norm", "steps=40"])
    stepper = parts.build_stepper()
    batches = list(islice(parts.loaders.train.batches(0), 8))
    for step in range(4):
        stepper.step(step, batches[step])
    if not bench.is_gpu:
        raise Skip("only a GPU can be waited for; the steps run")
    torch.cuda.synchronize()
    with no_synchronization():
        for step in range(4, 8):
            stepper.step(step, batches[step])
    torch.cuda.synchronize()
    return f"{optimizer}, {amp}: no synchronization in 4 steps"


def batches_without_waiting(bench: Bench) -> str:
    """Take batches of an epoch, augmented on the device, while every synchronization of the host raises."""
    parts = bench.parts([*bench.images(), "augment=crop_flip", "steps=40"])
    batches = parts.loaders.train.batches(0)
    next(batches)  # the order of an epoch goes to the device first
    if not bench.is_gpu:
        raise Skip("only a GPU can be waited for; the batches are made")
    count = min(8, parts.sampler.steps_per_epoch - 1)
    with no_synchronization():
        for _ in range(count):
            next(batches)
    return f"no synchronization in {count} batches"


def checks(bench: Bench) -> dict[str, tuple[Callable[[], str], float]]:
    """Return each check by its name, with the seconds that it may take at most."""
    few = bench.quick
    optimizers = ["adamw", "sgd", "muon"] if few else list(registry.options("optimizer"))
    augments = ["crop_flip", "mixup", "randaugment"] if few else [*registry.options("augment")]
    named: dict[str, tuple[Callable[[], str], float]] = {
        f"precision {kind}": (partial(precision, bench, kind), 60) for kind in PRECISIONS
    }
    named["tf32"] = partial(tf32, bench), 60
    named["channels-last"] = partial(channels_last, bench), 60
    named |= {f"pipeline {kind}": (partial(pipeline, bench, kind), 60) for kind in ("plain", "resident", "workers")}
    named |= {f"augment {name}": (partial(augmentation, bench, name), 40) for name in augments if name != "none"}
    named |= {f"planted inf, {name}": (partial(planted_infinity, bench, name), 40) for name in optimizers}
    named["planted inf, fp16"] = partial(scaled_infinity, bench), 40
    named["diverging run"] = partial(diverging_run, bench), 60
    named["batch=auto"] = partial(batch_auto, bench), 60
    for model, amp, optimizer in (
        ("mlp", "off", "adamw"), ("resnet", "off", "nesterov"), ("resnet", "bf16", "adamw"), ("resnet", "fp16", "adamw")
    ):  # fmt: skip
        check = partial(steps_without_waiting, bench, model, amp, optimizer)
        named[f"no waiting, {model} {amp} {optimizer}"] = check, 40
    named["no waiting, batches"] = partial(batches_without_waiting, bench), 40
    named["ddp, one process"] = partial(one_process_ddp, bench), 60
    named["fsdp, one process, offloaded"] = partial(offloaded, bench), 60
    named["hf and lora, bf16"] = partial(hub_networks, bench), 60
    moves = [("gpu", "cpu"), ("cpu", "gpu")] if bench.is_gpu else [("cpu", "cpu")]
    named |= {f"checkpoint {a} to {b}": (partial(moved_checkpoint, bench, a, b), 90) for a, b in moves}
    named["exact resume"] = partial(exact_resume, bench, "off"), 120
    if bench.is_gpu:
        named["exact resume bf16"] = partial(exact_resume, bench, "bf16"), 120
        named["ddp, two processes"] = partial(two_gpus, bench), 120
    modes = ["default"] if few else ["default", "reduce-overhead"]
    named |= {f"compile {mode}": (partial(compiled, bench, mode), 150) for mode in modes}
    return named
