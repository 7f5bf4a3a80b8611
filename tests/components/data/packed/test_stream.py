"""Training on a pack: exact, whatever reads it; and what is wrong with one is found and named."""

from __future__ import annotations

import json
import shutil
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch

from fastrun.cli.main import main
from fastrun.components.data.packed.reader import ShardError
from fastrun.components.data.packed.stream import stream
from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.errors import ConfigError, DataError
from fastrun.training.builders.loaders import build_sampler, build_train_loader
from fastrun.training.builders.setup import set_up

pytest.importorskip("litdata")
pytest.importorskip("PIL")

TINY = ["data=stream", "model=mlp", "model.hidden=[8]", "batch.size=4", "amp=off", "val_every=3"]
KILL = """
import os, signal
import pytorch_lightning as pl

class Kill(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= 7 and not os.path.exists("killed"):
            open("killed", "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def copy(tmp_path: Path, packed: Path) -> Path:
    return Path(shutil.copytree(packed, tmp_path / "copy"))


def shards(root: Path, split: str = "train") -> list[Path]:
    return [root / shard["file"] for shard in json.loads((root / "pack.json").read_text())["splits"][split]]


def curve(run: Path) -> list[dict]:
    keep = {"step", "train/loss", "val/loss", "val/acc"}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key in keep} for line in lines]


def batches(root: Path, kind: str, *more: str) -> list[torch.Tensor]:
    """The batches of two epochs and a half, as a pipeline makes them."""
    settings, resolved = compose([*TINY, f"data.root={root}", f"pipeline={kind}", "device=cpu", *more]), Resolved({})
    setup = set_up(settings)
    sampler = build_sampler(settings, setup.splits, setup.device, resolved)
    loader = build_train_loader(settings, setup, sampler, resolved)
    return [torch.cat([x.flatten(), y.float()]) for x, y in islice(loader.batches(3), 12)]


@pytest.mark.parametrize("augment", ["none", "crop_flip"])
def test_every_pipeline_makes_the_same_batches(packed, augment):
    wanted = batches(packed, "plain", f"augment={augment}")
    for kind, more in (("resident", ()), ("workers", ("pipeline.num_workers=2",))):
        found = batches(packed, kind, f"augment={augment}", *more)
        assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True)), kind


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_exactly_with_another_number_of_workers(shell, packed, folder):
    (folder / "kill.py").write_text(KILL)
    run = ["train", *TINY, f"data.root={packed}", "data.window=2", "steps=12", "checkpoint.every=2", "pipeline=workers"]
    assert shell(*run, "pipeline.num_workers=1", "hydra.run.dir=whole").returncode == 0
    killed = shell(*run, "pipeline.num_workers=2", "hydra.run.dir=cut", "+callbacks.kill._target_=kill.Kill")
    assert killed.returncode != 0
    done = shell("resume", "cut", "pipeline.num_workers=3")
    assert done.returncode == 0, done.stderr
    newest = [max((folder / name).glob("checkpoints/*.ckpt")) for name in ("whole", "cut")]
    states = [torch.load(path, weights_only=True) for path in newest]
    weights = [state["state_dict"] for state in states]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert curve(folder / "whole")[-1] == curve(folder / "cut")[-1]


def test_a_shard_that_is_missing_or_cut_is_named_before_anything_is_loaded(copy, capsys):
    victim = shards(copy)[1]
    content = victim.read_bytes()
    for change, words in ((lambda: victim.unlink(), "is missing"), (lambda: victim.write_bytes(content[:-1]), "bytes")):
        change()
        assert main(["train", "data=stream", f"data.root={copy}"]) == 3
        error = capsys.readouterr().err
        assert victim.name in error
        assert words in error
        assert "hint: " in error


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "workers"])
def test_a_shard_with_other_content_is_found_when_it_is_read_first(shell, copy, kind):
    victim = shards(copy)[-1]
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    done = shell("train", *TINY, f"data.root={copy}", "steps=9", f"pipeline={kind}")
    assert done.returncode == 3
    assert f"error: the shard train/{victim.name} is damaged" in done.stderr
    assert "data check" in done.stderr
    assert "Traceback" not in done.stderr


def test_samples_of_a_shard_with_other_content_are_not_read(copy):
    content = bytearray(shards(copy)[-1].read_bytes())
    content[-1] ^= 1
    shards(copy)[-1].write_bytes(content)
    samples = stream(str(copy))["train"]
    assert len(samples[0]) == 2
    with pytest.raises(ShardError, match="is damaged"):
        samples[len(samples) - 1]


def test_check_reads_every_shard(copy, capsys):
    assert main(["data", "check", str(copy)]) == 0
    assert "are what was packed" in capsys.readouterr().out
    shards(copy)[0].unlink()
    content = bytearray(shards(copy, "val")[0].read_bytes())
    content[-1] ^= 1
    shards(copy, "val")[0].write_bytes(content)
    assert main(["data", "check", str(copy)]) == 3
    told = capsys.readouterr()
    assert "train/chunk-0-0.bin cannot be read" in told.out
    assert "val/chunk-0-0.bin is not what was packed" in told.out
    assert "2 of" in told.err


def test_a_pack_is_read_from_an_address_with_a_bounded_cache(copy, home):
    size = max(shard.stat().st_size for shard in shards(copy))
    local, remote = stream(str(copy))["train"], stream(f"local:{copy}", cache_gb=2.5 * size / 1e9)["train"]
    for index in range(len(local)):
        assert torch.equal(local[index][0], remote[index][0])
    copies = list(home.glob("packs/*/*/train/chunk-*"))
    assert 1 <= len(copies) <= 2
    assert not list(home.rglob("*.tmp"))


def test_an_address_that_cannot_be_reached_is_named(copy, tmp_path):
    with pytest.raises(DataError, match=r"nowhere/pack.json cannot be fetched"):
        stream(f"local:{tmp_path}/nowhere")
    remote = stream(f"local:{copy}")["train"]
    shards(copy)[-1].unlink()
    with pytest.raises(ShardError, match="cannot be fetched"):
        remote[len(remote) - 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.update(format=99), "has format 99"),
        (lambda values: values.update(kind="pickle"), "the kind pickle"),
        (lambda values: values["splits"]["train"][0].update(file="train/../../etc/passwd"), "is called"),
        (lambda values: values.pop("shape"), "is not the manifest of a pack"),
        (lambda values: values["splits"].pop("val"), "it has the splits train"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(copy, change, words):
    values = json.loads((copy / "pack.json").read_text())
    change(values)
    (copy / "pack.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=words):
        stream(str(copy))


def test_nothing_is_unpickled(copy):
    index = json.loads((copy / "train/index.json").read_text())
    index["config"]["data_format"] = ["pickle", "int"]
    (copy / "train/index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="a form that is not read: pickle"):
        stream(str(copy))


@pytest.mark.slow
def test_a_run_knows_its_pack_again(shell, packed, copy, folder):
    assert shell("train", *TINY, f"data.root={packed}", "steps=2", "hydra.run.dir=run").returncode == 0
    assert json.loads((folder / "run/data.json").read_text())["samples"] == {"train": 18, "val": 6}
    assert shell("eval", "run", f"data.root={copy}", "--split", "val").returncode == 0
    other = shell("resume", "run", "data.window=3", "steps=4")
    assert other.returncode == 2
    assert "data.window=3: the run began with 8" in other.stderr
    victim = json.loads((copy / "pack.json").read_text())
    victim["splits"]["train"][0]["sha256"] = "0" * 64
    (copy / "pack.json").write_text(json.dumps(victim))
    changed = shell("eval", "run", f"data.root={copy}")
    assert changed.returncode == 3
    assert "the shard train/chunk-0-0.bin is damaged" in changed.stderr


def test_what_is_asked_of_a_pack_in_vain_is_refused(packed, capsys, monkeypatch):
    from fastrun.training.builders import loaders

    monkeypatch.setattr(loaders, "free_bytes", lambda device: 100)
    with pytest.raises(ConfigError, match="pipeline=resident: the data needs"):
        batches(packed, "resident")
    with pytest.raises(ConfigError, match=r"data.cache_gb=1: .* is a folder"):
        stream(str(packed), cache_gb=1.0)
    assert main(["train", "data=stream"]) == 2
    assert "data.root is not set" in capsys.readouterr().err


def test_what_is_missing_is_named(packed, source, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "litdata", None)
    assert main(["data", "pack", str(source), "out"]) == 3
    assert "pip install 'fastrun[stream]'" in capsys.readouterr().err
    with pytest.raises(DataError, match="needs litdata, which is not installed"):
        stream(str(packed))
