"""What other tools call the things that fastrun's keys, options and commands name, for hints."""

from __future__ import annotations

KEYS = {  # another name of a key or group: fastrun's
    "learning_rate": "optimizer.lr", "lr": "optimizer.lr", "eta": "optimizer.lr", "base_lr": "optimizer.lr",
    "max_lr": "optimizer.lr", "weight_decay": "optimizer.weight_decay", "wd": "optimizer.weight_decay",
    "l2": "optimizer.weight_decay", "momentum": "optimizer.momentum", "mom": "optimizer.momentum",
    "betas": "optimizer.betas", "optim": "optimizer", "opt": "optimizer", "solver": "optimizer",
    "batch_size": "batch.size", "batchsize": "batch.size", "bs": "batch.size", "bsz": "batch.size",
    "train_batch_size": "batch.size", "per_device_train_batch_size": "batch.size",
    "accumulate_grad_batches": "batch.accumulate", "gradient_accumulation_steps": "batch.accumulate",
    "grad_accum": "batch.accumulate", "drop_last": "batch.drop_last",
    "epoch": "epochs", "num_epochs": "epochs", "n_epochs": "epochs", "max_epochs": "epochs",
    "num_train_epochs": "epochs", "nb_epochs": "epochs", "max_steps": "steps", "num_steps": "steps",
    "iterations": "steps", "max_iters": "steps", "num_iterations": "steps",
    "metric": "target.metric", "monitor": "target.metric", "random_seed": "seed", "random_state": "seed",
    "manual_seed": "seed", "patience": "early_stopping.patience", "min_delta": "early_stopping.min_delta",
    "max_time": "early_stopping.seconds", "time_limit": "early_stopping.seconds",
    "num_workers": "pipeline.num_workers", "workers": "pipeline.num_workers", "prefetch_factor": "pipeline.prefetch",
    "dataloader": "pipeline", "dropout": "model.dropout", "width": "model.width", "hidden_size": "model.width",
    "depth": "model.depth", "num_layers": "model.depth", "n_layers": "model.depth", "hidden": "model.hidden",
    "arch": "model", "architecture": "model", "net": "model", "network": "model", "backbone": "model",
    "grad_clip": "clip.max", "clip_grad": "clip.max", "clip_grad_norm": "clip.max", "max_norm": "clip.max",
    "max_grad_norm": "clip.max", "gradient_clip_val": "clip.max", "gradient_clipping": "clip",
    "warmup": "schedule.warmup", "warmup_steps": "schedule.warmup", "warmup_epochs": "schedule.warmup",
    "warmup_ratio": "schedule.warmup", "lr_scheduler": "schedule", "scheduler": "schedule", "lr_schedule": "schedule",
    "sched": "schedule", "label_smoothing": "loss.label_smoothing", "smoothing": "loss.label_smoothing",
    "criterion": "loss", "loss_fn": "loss", "objective": "loss", "precision": "amp", "mixed_precision": "amp",
    "dtype": "amp", "fp16": "amp", "bf16": "amp", "half": "amp", "dataset": "data", "data_dir": "data.root",
    "data_path": "data.root", "dataset_path": "data.root", "root": "data.root", "val_split": "data.val_fraction",
    "validation_split": "data.val_fraction", "transforms": "augment", "augmentation": "augment",
    "augmentations": "augment", "aug": "augment", "mixup": "augment.mixup", "cutmix": "augment.cutmix",
    "output_dir": "outputs", "output": "outputs", "out_dir": "outputs", "save_dir": "outputs", "log_dir": "outputs",
    "run_name": "name", "experiment": "name", "exp_name": "name", "accelerator": "device", "gpu": "device",
    "gpus": "device.count", "devices": "device.count", "num_gpus": "device.count", "ngpus": "device.count",
    "world_size": "device.count", "torch_compile": "speed.compile", "compile": "speed.compile",
    "channels_last": "speed.channels_last", "tf32": "speed.tf32", "val_interval": "val_every",
    "eval_every": "val_every", "val_check_interval": "val_every", "check_val_every_n_epoch": "val_every",
    "save_every": "checkpoint.every", "checkpoint_every": "checkpoint.every", "save_total_limit": "checkpoint.keep",
    "save_top_k": "checkpoint.keep", "log_every_n_steps": "log_every", "logging_steps": "log_every", "tta": "views",
    "ema_decay": "ema.decay", "swa": "ema", "pretrained": "transfer.source", "weights": "transfer.source",
    "finetune": "transfer", "initialization": "init", "weight_init": "init", "normalization": "norm",
    "layer_norm": "norm", "tracker": "logger", "wandb": "logger", "stop_early": "early_stopping",
}  # fmt: skip

OPTIONS = {  # another name of a group's option: fastrun's
    "device": {"cuda": "gpu", "cuda:0": "gpu", "nvidia": "gpu", "multi": "ddp", "distributed": "ddp",
               "fsdp2": "fsdp", "sharded": "fsdp", "zero": "fsdp", "zero3": "fsdp"},
    "amp": {
        "bfloat16": "bf16", "float16": "fp16", "half": "fp16", "16": "fp16", "bf16-mixed": "bf16", "16-mixed": "fp16",
        "true": "auto", "on": "auto", "32": "off", "fp32": "off", "float32": "off", "none": "off", "false": "off",
    },
    "schedule": {
        "none": "constant", "cosineannealing": "cosine", "cosine_annealing": "cosine", "cosineannealinglr": "cosine",
        "one_cycle": "onecycle", "onecyclelr": "onecycle", "steplr": "step", "reduce_on_plateau": "plateau",
        "reducelronplateau": "plateau", "sgdr": "warm_restarts", "cosine_restarts": "warm_restarts",
        "poly": "polynomial",
    },
    "optimizer": {"momentum": "nesterov", "schedule_free": "schedulefree", "adam_w": "adamw"},
    "early_stopping": {"true": "patience", "on": "patience", "time": "budget", "false": "none"},
    "clip": {"true": "norm", "grad_norm": "norm", "l2": "norm", "adaptive": "agc", "false": "none"},
    "ema": {"true": "ema", "false": "none"},
    "checkpoint": {"true": "standard", "false": "none"},
    "init": {
        "kaiming": "he_normal", "kaiming_normal": "he_normal", "kaiming_uniform": "he_uniform", "he": "he_normal",
        "glorot": "xavier_uniform", "xavier": "xavier_uniform", "truncated_normal": "trunc_normal",
    },
    "norm": {
        "bn": "batch", "batchnorm": "batch", "batch_norm": "batch", "ln": "layer", "layernorm": "layer",
        "layer_norm": "layer", "gn": "group", "groupnorm": "group", "group_norm": "group", "in": "instance",
    },
    "loss": {"ce": "cross_entropy", "crossentropy": "cross_entropy", "nll": "cross_entropy", "l2": "mse", "mae": "l1"},
    "pipeline": {"dataloader": "workers", "gpu": "resident"},
    "data": {
        "csv": "table", "tabular": "table", "images": "image_folder", "imagefolder": "image_folder",
        "huggingface": "hf",
    },
    "model": {
        "transformer": "vit", "perceptron": "mlp", "wideresnet": "wide_resnet", "wrn": "wide_resnet",
        "huggingface": "hf",
    },
    "tokenizer": {"char": "characters", "character": "characters", "none": "characters", "byte_bpe": "bpe"},
    "augment": {"rand_augment": "randaugment", "autoaugment": "randaugment", "random_crop": "crop"},
}  # fmt: skip

NUMBERS = {  # what a number that is given to a group most likely means
    "batch": "batch.size={}",
    "clip": "clip=norm clip.max={}",
    "ema": "ema=ema ema.decay={}",
    "early_stopping": "early_stopping=patience early_stopping.patience={}",
    "device": "device.count={}",
}

VERBS = {
    "diff": "compare", "tail": "watch", "follow": "watch", "monitor": "watch", "ls": "runs", "list": "runs",
    "fit": "train", "run": "train", "test": "eval",
    "evaluate": "eval", "validate": "eval", "continue": "resume", "restart": "resume", "search": "find",
    "lr_find": "find", "lr-find": "find", "profile": "diagnose", "bottleneck": "diagnose",
    "pack": "data pack", "shard": "data pack",
}  # fmt: skip

_CHOOSING = ("name", "type", "class", "algorithm", "kind")  # of a group's option, in other tools


def key_hint(name: str, value: str | None) -> str | None:
    """Return the hint for a key that other tools have.

    Args:
        name: the key as it was typed, such as ``batch_size`` or ``optimizer.learning_rate``.
        value: the value that it was given, or None if that is not known.

    Returns:
        The hint with fastrun's key; None if the name is no synonym.
    """
    group, _, rest = name.lower().replace("-", "_").rpartition(".")
    given = "…" if value is None else value
    if group in OPTIONS and rest in _CHOOSING:
        return f"did you mean {group}={given}?"
    key = KEYS.get(rest)
    if key is None or (group and not key.startswith(f"{group}.")):
        return None
    return f"did you mean {key}?" if value is None else f"did you mean {key}={OPTIONS.get(key, {}).get(given, given)}?"


def option_hint(group: str, word: str) -> str | None:
    """Return the hint for an option that other tools have, or for a number in the place of an option.

    Args:
        group: the group.
        word: what was typed for its option.

    Returns:
        The hint; None if the word is no synonym.
    """
    if group in NUMBERS and word.replace(".", "", 1).isdigit() and word not in OPTIONS.get(group, {}):
        return f"did you mean {NUMBERS[group].format(word)}?"
    option = OPTIONS.get(group, {}).get(word.lower())
    return f"did you mean {group}={option}?" if option else None
