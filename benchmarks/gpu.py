"""Checks every path of fastrun that a GPU takes, and measures what is claimed of GPUs; within nine minutes.

    python benchmarks/gpu.py --out FOLDER [--device auto|cpu|cuda] [--quick] [--minutes 9]
                             [--only checks measures speedrun] [--match TEXT] [--cifar FOLDER]
                             [--airbench FILE] [--seeds 25] [--rounds 5] [KEY=VALUE ...]

checks    precisions, TF32, compiling, layouts, pipelines, augmentations, a planted infinity with every optimizer, no
          waiting for the device, batch=auto, checkpoints from one device on another, exact resuming after a kill
measures  a step beside the plain loop (mlp, resnet, gpt), and ``auto`` beside each choice made by hand
speedrun  the recipe cifar10_speedrun beside airbench94_muon on the same tensors; KEY=VALUE changes the recipe

Writes gpu.json and gpu.md into FOLDER after each row. What the time does not suffice for is skipped, and says so. The
exit code is 1 where a check failed. ``--device cpu --quick`` takes the same paths on tiny networks.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts; for deterministic=true

import torch
from airbench import compare
from checklist import Checklist, Skip
from gpu_bench import Bench
from gpu_checks import checks
from gpu_measures import measures

import fastrun
from fastrun.system.processor import cpu_name

PARTS = "checks", "measures", "speedrun"


def options() -> argparse.Namespace:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", type=Path, required=True, help="folder of gpu.json and gpu.md")
    made.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(%(default)s)")
    made.add_argument("--quick", action="store_true", help="tiny networks, few cases")
    made.add_argument("--minutes", type=float, default=9.0, help="for everything (%(default)s)")
    made.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="(all)")
    made.add_argument("--match", default="", help="only checks and measurements with this in their names")
    made.add_argument("--rounds", type=int, default=5, help="of measurements (%(default)s)")
    made.add_argument("--cifar", help="CIFAR-10, in any form that data=cifar10 reads")
    made.add_argument("--airbench", type=Path, help="airbench94_muon.py")
    made.add_argument("--airbench-compile", default="max-autotune", metavar="MODE", help="none, or (%(default)s)")
    made.add_argument("--seeds", type=int, default=25, help="of the speedrun (%(default)s)")
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="changes to the recipe cifar10_speedrun")
    return made.parse_intermixed_args()


def facts(device: str) -> dict[str, Any]:
    """Return what the numbers were measured on."""
    found: dict[str, Any] = {"fastrun": fastrun.__version__, "torch": torch.__version__}
    found |= {"python": platform.python_version(), "cpu": cpu_name(), "cores": os.cpu_count()}
    found |= {"threads": torch.get_num_threads(), "device": device}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "gpu": properties.name,
            "gpus": torch.cuda.device_count(),
            "compute capability": f"{properties.major}.{properties.minor}",
            "memory": f"{properties.total_memory / 2**30:.0f} GiB",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


def reset(device: str) -> None:
    """Put back what a run changes in the process."""
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("highest")
    torch.compiler.reset()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def speedrun(asked: argparse.Namespace, bench: Bench, board: Checklist) -> dict[str, Any]:
    """Compare the recipe with airbench94_muon, or run it alone where that was not given."""
    if asked.cifar is None:
        raise Skip("needs --cifar FOLDER")
    mode = None if asked.airbench_compile == "none" else asked.airbench_compile
    return compare(
        bench.folder / "speedrun",
        str(Path(asked.cifar).absolute()),
        asked.airbench.absolute() if asked.airbench else None,
        [bench.option, *asked.overrides],
        device=bench.device,
        mode=mode,
        seeds=asked.seeds,
        left=board.left,
    )


def main() -> int:
    asked = options()
    has_gpu = torch.cuda.is_available()
    device = asked.device if asked.device != "auto" else "cuda" if has_gpu else "cpu"
    if device == "cuda" and not has_gpu:
        print("error: torch finds no GPU\nhint: --device cpu --quick takes the same paths", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="fastrun-gpu-", ignore_cleanup_errors=True) as folder:
        bench = Bench(device, asked.quick, Path(folder))
        board = Checklist(asked.out, facts(device), 60 * asked.minutes, partial(reset, device))
        rows: list[tuple[str, Any, float]] = []
        if "checks" in asked.only:
            rows += [(name, check, limit) for name, (check, limit) in checks(bench).items()]
        if "measures" in asked.only:
            rows += [(name, check, limit) for name, (check, limit) in measures(bench, asked.rounds, board.left).items()]
        if "speedrun" in asked.only:
            rows.append(("cifar10_speedrun", partial(speedrun, asked, bench, board), 60 * asked.minutes))
        for name, check, limit in rows:
            if asked.match in name:
                board.run(name, check, limit=limit)
    failed = board.failed()
    print(f"\n{len(board.rows)} rows, {len(failed)} failed: {', '.join(failed) or 'none'}; {asked.out / 'gpu.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
