"""What the recipe, config or checkpoint of a stranger cannot do, and what the user can trust."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

import fastrun
from fastrun import compose
from fastrun.cli.main import main
from fastrun.config import instantiate, trust
from fastrun.errors import ConfigError, FastrunError
from fastrun.report.run import Run
from fastrun.storage.atomic import sha256_of

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=100", "model=mlp", "model.hidden=[4]", "steps=2"]


def refused(arguments: list[str], capfd: pytest.CaptureFixture[str], code: int = 2) -> str:
    """Run a command line that must be refused in two lines; return them."""
    assert main(arguments) == code
    err = capfd.readouterr().err
    assert err.startswith("error: ")
    assert len(err.splitlines()) <= 2, err
    return err


MINE = """
import functools, os, subprocess
from os import system
from subprocess import run
from torch import nn
from torch.nn import Linear

def net(in_shape, num_classes):
    return nn.Linear(in_shape[0], num_classes)

class Net:
    small = staticmethod(net)
    os = os

bound = functools.partial(net)
"""

HOSTILE = [
    "torch.load", "torch.nn.modules.module.torch.load", "torch.hub.load", "torch.nn.modules.module.functools.partial",
    "pathlib.Path.write_text", "builtins.eval", "builtins.exec", "subprocess.run", "os.system", "posix.system",
    "functools.partial", "hydra.utils.instantiate", "hydra.utils.get_method", "importlib.import_module", "pickle.load",
    "fastrun.storage.run_dir.write_atomic", "fastrun.storage.run_dir.os.system",
    "fastrun.components.model.mlp.torch.load", "fastrun.cli.main.main",
    "fastrun.config.trust.os.system", "timm.models._builder.os.system", "timm.models._helpers.load_checkpoint",
    "timm.models.load_checkpoint", "torch.optim.optimizer.torch.load", "mine.os.system", "mine.system", "mine.run",
    "mine.subprocess.Popen", "mine.functools.partial", "mine.Net.os.system", "mine.nn.modules.module.torch.load",
    "mine.Net.__init__.__globals__.get", "mine.Linear", "mine.nn.Linear", "torch.nn", "torch.nn.Module",
    "torchvision.models.resnet18", "torchvision.models._api.WeightsEnum.get_state_dict", "timm.create_model",
    "timm.models._builder.build_model_with_cfg", "timm.optim._optim_factory._import_class",
    "timm.optim.create_optimizer",
    "pytorch_lightning.callbacks.ModelCheckpoint", "pytorch_lightning.callbacks.ModelCheckpoint._link_checkpoint",
    "pytorch_lightning.loggers.CSVLogger", "fastrun.components.data.text.text", "torch.nn.Identity.__init__",
    "shutil.rmtree", "yaml.unsafe_load", "numpy.load", "__main__.sys.exit",
    "pytorch_lightning.Trainer", "pytorch_lightning.callbacks.model_checkpoint.os.system", "sys.exit", "code.interact",
]  # fmt: skip


CALLS = [
    *(("model", target) for target in HOSTILE),
    ("data", "mine.os.system"),
    ("callbacks.one", "os.system"),
    ("callbacks.one", "torch.nn.modules.module.torch.load"),
    ("callbacks.one.inner", "torch.nn.Identity"),
    ("model.inner", "torch.nn.Identity"),
    ("model.0", "fastrun.components.model.mlp.mlp"),
]


@pytest.mark.parametrize(("key", "target"), CALLS)
def test_a_config_calls_nothing_but_known_code_and_the_users_own(folder: Path, key: str, target: str) -> None:
    (folder / "mine.py").write_text(MINE)
    with pytest.raises(ConfigError) as caught:
        instantiate.bind(key, {"_target_": target, "command": "touch touched"})
    assert len(caught.value.render().splitlines()) == 2
    assert f"{key}._target_={target}" in caught.value.message
    assert "no such module" not in caught.value.message
    assert not (folder / "touched").exists()


@pytest.mark.parametrize("target", ["mine.net", "mine.Net.small", "mine.bound"])
def test_a_config_calls_the_users_own_code(folder: Path, target: str) -> None:
    (folder / "mine.py").write_text(MINE)
    assert instantiate.bind("model", {"_target_": target}) is not None


def test_a_name_is_checked_before_anything_is_imported(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/loud.py").write_text("open('touched', 'w')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "elsewhere"))
        patch.chdir(folder / "elsewhere")
        trust.check_all({"model": {"_target_": "loud.Net"}})  # in the current folder: one's own
        patch.chdir(folder)
        (folder / ".venv/lib/site-packages").mkdir(parents=True)
        (folder / "elsewhere/loud.py").rename(folder / ".venv/lib/site-packages/loud.py")
        patch.syspath_prepend(str(folder / ".venv/lib/site-packages"))
        with pytest.raises(ConfigError, match=r"callbacks\.a\.1\._target_=loud\.Net"):
            trust.check_all({"callbacks": {"a": [3, {"_target_": "loud.Net"}]}})
    assert not list(folder.rglob("touched"))


def test_the_root_of_a_system_is_nobodys_project(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir("/")
    for target in ("subprocess.run", "numpy.load", "yaml.unsafe_load", "wave.open"):
        with pytest.raises(ConfigError, match="not among what a config may call"):
            trust.check_name(target, "model")


RECIPES = {
    "model: {_target_: torch.load, f: evil.pt, weights_only: false}": "model._target_=torch.load",
    "model: {_target_: mine.run, args: [touch, touched]}": "mine.run",
    "callbacks: {one: {_target_: pathlib.Path.write_text, self: touched, data: x}}": "callbacks.one._target_=pathlib",
    "callbacks: {one: {two: [{_target_: builtins.eval}]}}": "builtins.eval",
    "model: {inner: {_target_: os.system, command: touch touched}}": "os.system",
    "name: ../..": "cannot be a folder",
    "name: /tmp/there": "cannot be a folder",
    "name: \"a\\0b\"": "cannot be a folder",
    "trust: [os]": "a config cannot grant trust",
    "hydra: {run: {dir: touched}}": "a recipe cannot set hydra",
    "hydra: {searchpath: [file:///]}": "a recipe cannot set hydra",
    "defaults: [override /hydra/launcher: basic]": "a recipe cannot set override /hydra/launcher",
    "defaults: [/hydra/callbacks: mine]": "a recipe cannot set /hydra/callbacks",
    "defaults: [/model@hydra.callbacks.a: mlp]": "a recipe cannot set /model@hydra",
    "defaults: [/model@_global_.hydra.launcher: mlp]": "a recipe cannot set /model@_global_.hydra",
    "defaults: [/../recipes/inner/evil]": "a recipe cannot set /../recipes",
    "defaults: [override /model: ../../elsewhere]": "a recipe cannot set ../../elsewhere",
    "defaults: [inner/evil]": "inner/evil.yaml: a recipe cannot set hydra",
    "defaults: [override /model: '${name}']": "a recipe cannot set ${name}",
    "model: {_target_: torch.nn.Identity, inner: {_target_: torch.nn.Identity}}": "below a component",
    "model: {_target_: torchvision.models._api.WeightsEnum.get_state_dict}": "model._target_=torchvision",
    "callbacks: {a: {_target_: pytorch_lightning.callbacks.ModelCheckpoint._link_checkpoint}}": "is not among",
}  # fmt: skip


@pytest.mark.sampled
@pytest.mark.parametrize(("recipe", "words"), RECIPES.items(), ids=RECIPES.keys())
def test_a_strangers_recipe_runs_nothing_and_stays_in_its_folder(folder: Path, capfd, recipe: str, words: str) -> None:
    (folder / "recipes/inner").mkdir(parents=True)
    (folder / "recipes/inner/evil.yaml").write_text("# @package _global_\nhydra: {run: {dir: touched}}\n")
    (folder / "mine.py").write_text(MINE)
    (folder / "recipes/evil.yaml").write_text(f"# @package _global_\n{recipe}\n")
    assert words in refused(["train", *TINY, "+recipe=evil"], capfd)
    assert {path.name for path in folder.iterdir()} <= {"mine.py", "__pycache__", "recipes", "outputs"}
    assert "touched" not in {path.name for path in folder.rglob("*")}


SENDING = [
    "${oc.env:HOME}", "http://there/${oc.env:HOME}", "${oc.decode:'${name}'}", "${oc.${name}:HOME}", "${${name}}",
    "${logger.api_key}", "${.hub_token}", "${hydra.job.env_set}", "${hydra:runtime.cwd}", "${oc.select:seed}",
    "${ seed }",
    "${logger[api_key]}", "\\${oc.env:HOME}",
]  # fmt: skip


@pytest.mark.parametrize("value", SENDING)
def test_a_strangers_recipe_reads_no_environment_and_no_secret(folder: Path, capfd, value: str) -> None:
    (folder / "recipes").mkdir()
    recipe = f"# @package _global_\nlogger: {{tracking_uri: [{json.dumps(value)}]}}\n"
    (folder / "recipes/evil.yaml").write_text(recipe)
    arguments = [*TINY, "logger=mlflow", "+recipe=evil"]
    assert "a recipe cannot set logger.tracking_uri=" in refused(["train", *arguments], capfd)


def test_a_recipe_refers_to_other_values_and_the_users_own_option_to_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOM", "7")
    (folder / "recipes").mkdir()
    (folder / "recipes/mine.yaml").write_text("# @package _global_\nseed: ${steps}\nlog_every: ${batch.size}\n")
    (folder / "conf/batch").mkdir(parents=True)
    (folder / "conf/batch/mine.yaml").write_text("kind: fixed\nsize: ${oc.decode:${oc.env:ROOM}}\n")
    settings = compose.compose([*TINY, "+recipe=mine", "batch=mine"])
    assert (settings.seed, settings.batch.size, settings.log_every) == (2, 7, 7)


@pytest.mark.parametrize("package", ["hydra", "_global_.hydra", "hydra.launcher"])
def test_a_recipe_cannot_be_packaged_as_hydras(folder: Path, capfd, package: str) -> None:
    (folder / "recipes").mkdir()
    (folder / "recipes/evil.yaml").write_text(f"# @package {package}\nrun: {{dir: touched}}\n")
    assert f"a recipe cannot set {package}" in refused(["train", *TINY, "+recipe=evil"], capfd)


FILES = {
    "conf/recipe/evil.yaml": ("+recipe=evil", "a file cannot be in the group recipe here"),
    "conf/recipe/baseline.yaml": ("+recipe=baseline", "a file cannot be in the group recipe here"),
    "conf/hydra/launcher/fastrun.yaml": ("seed=1", "a file cannot be in the group hydra here"),
    "conf/hydra/callbacks/evil.yaml": ("hydra/callbacks=evil", "no key or group hydra/callbacks"),
    "conf/model/evil.yaml": ("model=evil", "a config file cannot set hydra"),
    "conf/evil.yaml": ("--config-name=evil", "a config file cannot set hydra"),
    "theirs/model/evil.yaml": ("model=evil", "a config file cannot set hydra"),
}


@pytest.mark.parametrize(("file", "argument", "words"), [(file, *rest) for file, rest in FILES.items()])
def test_no_file_sets_what_is_hydras(folder: Path, capfd, file: str, argument: str, words: str) -> None:
    (folder / "theirs").mkdir()
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(
        "# @package _global_\nhydra: {callbacks: {a: {_target_: pathlib.Path.touch, self: touched}}}\n"
    )
    assert words in refused(["train", *TINY, argument, "--config-dir", "theirs"], capfd)
    assert not list(folder.rglob("touched"))


def test_options_of_a_folder_that_the_command_line_names_are_found(folder: Path) -> None:
    (folder / "theirs/batch").mkdir(parents=True)
    (folder / "theirs/batch/tiny.yaml").write_text("kind: fixed\nsize: 4\n")
    arguments = ["train", *TINY, "--config-dir", "theirs", "batch=tiny"]
    assert main(arguments) == 0
    (run,) = folder.glob("outputs/*/*")
    assert yaml.safe_load((run / "config.yaml").read_text())["batch"]["size"] == 4
    assert main(["train", *TINY, "batch=tiny"]) == 2


def test_a_shipped_recipe_is_not_hidden_without_a_word(folder: Path, capfd) -> None:
    (folder / "recipes").mkdir()
    (folder / "recipes/mlp_fast.yaml").write_text("# @package _global_\nseed: 3\n")
    assert compose.compose([*TINY, "+recipe=mlp_fast"]).seed == 3
    assert "recipes/mlp_fast.yaml is used in place of the recipe of that name" in capfd.readouterr().err


def test_an_option_of_the_user_with_a_shipped_name_is_not_left_out_without_a_word(folder: Path, capfd) -> None:
    for conf in ("conf", "theirs"):
        (folder / conf / "optimizer").mkdir(parents=True)
        (folder / conf / "optimizer/adamw.yaml").write_text("# Mine\n_target_: torch.optim.AdamW\nlr: 7.0\n")
    note = "{}/optimizer/adamw.yaml is not used: fastrun ships optimizer=adamw; give the file another name\n"
    assert compose.compose([*TINY, "optimizer=sgd"]).choices["optimizer"] == "sgd"
    assert "is not used" not in capfd.readouterr().err
    assert compose.compose([*TINY, "optimizer=adamw"]).optimizer["lr"] == 3e-3
    assert note.format("conf") in capfd.readouterr().err
    assert main(["options", "optimizer"]) == 0
    assert note.format("conf") in capfd.readouterr().out
    assert main(["train", *TINY, "--config-dir", "theirs", "-m", "optimizer=adamw,sgd"]) == 0
    assert capfd.readouterr().err.count(note.format("theirs")) == 1


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["../x", "..", ".", "/tmp/x", "a/../../b", "a\\b", "x" * 300, "é" * 101, "a\nb"])
def test_a_name_cannot_leave_the_output_folder(folder: Path, name: str) -> None:
    with pytest.raises(FastrunError, match=r"cannot be a folder|is not an override"):
        fastrun.train([*TINY, f"name='{name}'"], quiet=True)
    assert not list(folder.glob("outputs/*/*"))


@pytest.mark.slow
def test_the_folders_of_a_sweep_stay_in_it(folder: Path, capfd) -> None:
    values = ["../../..", "/tmp/x", "a/b", "x" * 300]
    quoted = ",".join(f"'{value}'" for value in values)
    main(["train", *TINY, "-m", f"+callbacks.one.note={quoted}"])  # each fails: that is no callback
    assert {path.name for path in folder.iterdir()} <= {"outputs"}
    (sweep,) = folder.glob("outputs/train/sweep-*")
    assert len([path for path in sweep.iterdir() if path.is_dir() and path.name[0].isdigit()]) == len(values)


def test_a_run_directory_is_trusted_no_more_than_a_recipe(folder: Path, capfd) -> None:
    run = fastrun.train(TINY, quiet=True).directory
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"] = {"_target_": "os.system", "command": "touch touched"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for verb in (["resume", str(run), "steps=4"], ["eval", str(run)]):
        assert "model._target_=os.system" in refused(verb, capfd)
    assert not (folder / "touched").exists()


@pytest.fixture
def theirs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line with a model from a package on the path that is not in the user's folder."""
    elsewhere = folder.parent / f"{folder.name}-lib"
    elsewhere.mkdir()
    (elsewhere / "their_nets.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(elsewhere))
    model = ["model=mlp", "~model.hidden", "~model.activation", "~model.dropout", "model._target_=their_nets.net"]
    return ["train", *TINY[:3], *model, "steps=1", "init=default"]


def test_the_user_trusts_a_name_on_the_command_line_for_one_command(folder: Path, capfd, theirs: list[str]) -> None:
    assert "hint: if you want it called, add trust=their_nets" in refused(theirs, capfd)
    assert main([*theirs, "trust=their_nets"]) == 0
    assert "trust" not in next(folder.glob("outputs/*/*/overrides.yaml")).read_text()
    refused(theirs, capfd)


def test_the_user_trusts_names_in_a_call_of_python(folder: Path, theirs: list[str]) -> None:
    run = fastrun.train([*theirs[1:], "trust=[other,their_nets.net]"], quiet=True)
    assert run.summary["status"] == "finished"


def test_the_user_trusts_names_in_the_project_file(folder: Path, capfd, theirs: list[str]) -> None:
    (folder / "pyproject.toml").write_text('[tool.fastrun]\ntrust = ["their_nets"]\n')
    assert main(theirs) == 0
    for broken in ('tool.fastrun.trust = "their_nets"', "[tool.fastrun", "tool.fastrun = 3"):
        (folder / "pyproject.toml").write_text(broken)
        assert "pyproject.toml" in refused(theirs, capfd)


@pytest.mark.parametrize("name", ["", "a b", "../x", "*", "a..b"])
def test_a_text_that_is_not_a_name_cannot_be_trusted(folder: Path, capfd, name: str) -> None:
    assert "names no package" in refused(["train", f"trust={name}"], capfd)


class Payload:
    """Unpickling it makes a file."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("touched"),)


def test_a_hostile_checkpoint_is_refused_and_nothing_in_it_runs(folder: Path, capfd) -> None:
    run = fastrun.train([*TINY, "checkpoint.every=1"], quiet=True).directory
    newest = max(run.glob("checkpoints/*.ckpt"))
    content = torch.load(newest, weights_only=True)
    torch.save(content | {"extra": Payload()}, folder / "evil.ckpt")
    evil = str(folder / "evil.ckpt")
    assert "evil.ckpt" in refused(["eval", str(run), "--ckpt", evil], capfd, 6)
    source = [*TINY, "transfer=finetune", f"transfer.source={evil}"]
    assert "evil.ckpt" in refused(["train", *source], capfd, 6)
    replace_checkpoint(newest, Path(evil))
    assert newest.name in refused(["resume", str(run), "steps=4"], capfd, 6)
    assert newest.name in refused(["eval", str(run), "--ckpt", "last"], capfd, 6)
    with pytest.raises(FastrunError):
        Run(run, {}, compose.compose(TINY)).load_model(evil)
    assert not (folder / "touched").exists()
    torch.load(evil, weights_only=False)
    assert (folder / "touched").exists()  # so there was something to refuse


def replace_checkpoint(checkpoint: Path, evil: Path) -> None:
    """Put a file in a checkpoint's place, its manifest made to fit: a hash keeps no attacker out."""
    checkpoint.write_bytes(evil.read_bytes())
    manifest = json.loads(checkpoint.with_suffix(".json").read_text())
    manifest |= {"sha256": sha256_of(checkpoint), "size": checkpoint.stat().st_size}
    checkpoint.with_suffix(".json").write_text(json.dumps(manifest))
