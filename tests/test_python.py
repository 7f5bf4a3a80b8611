"""fastrun from Python: objects in place of options, and what the functions return."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fastrun
from fastrun.cli.main import main
from fastrun.errors import CheckpointError, ConfigError, DataError, FastrunError, UsageError
from fastrun.report.run import Run

QUICK = ["epochs=2", "batch.size=50", "amp=off"]
MLP = [*QUICK, "model=mlp", "model.hidden=[16]"]


class Net(nn.Module):
    def __init__(self, hidden: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Lit(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.log("val/loss", self.training_step(batch, index))


class Module(pl.LightningDataModule):
    def setup(self, stage: str) -> None:
        self.sets = splits()

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.sets["train"])

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.sets["val"])


class Stop(pl.Callback):
    """Fails once after a validation, as a run that is killed there, and counts how often it was called."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.calls = fails, 0

    def on_validation_end(self, *_: object) -> None:
        self.calls += 1
        if self.fails and self.calls > 1:
            raise UsageError("stopped by a test")


def splits() -> dict[str, TensorDataset]:
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    sets = TensorDataset(x[:200], x[:200, :3].argmax(1)), TensorDataset(x[200:], x[200:, :3].argmax(1))
    return dict(zip(("train", "val"), sets, strict=True))


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def seeded_net(seed: int = 3, **arguments: float) -> Net:
    torch.manual_seed(seed)
    return Net(**arguments)


def config_of(run: Run) -> dict:
    return yaml.safe_load((run.directory / "config.yaml").read_text())


def test_importing_fastrun_is_light() -> None:
    code = "import sys, fastrun; print([name for name in ('torch', 'hydra', 'numpy', 'rich') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in fastrun.__all__ if callable(getattr(fastrun, name))])
def test_every_function_has_types_and_documents_itself(name: str) -> None:
    import fastrun.sweep.runner  # binds a package to the name of a function

    function = getattr(fastrun, name)
    assert "return" in function.__annotations__
    assert all(f"\n    {part}:\n" in function.__doc__ for part in ("Args", "Returns", "Raises", "Example"))


def test_a_model_and_data_are_trained_and_stay_as_they_are(folder: Path) -> None:
    net, data = seeded_net(dropout=0.2), splits()
    before = weights(net)
    run = fastrun.train(QUICK, quiet=True, model=net, data=data)
    again = fastrun.train(QUICK, quiet=True, model=net, data=data)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert equal(run.model.net, again.model.net)
    assert not equal(run.model.net, net)
    assert run.summary["steps"] == 8
    assert run.evaluate("val")["val/acc"] == pytest.approx(run.summary["best"]["value"])
    with pytest.raises(ConfigError, match="this data has no test split"):
        run.evaluate()
    config = config_of(run)
    assert config["model"] == {"_target_": None, "object": f"{__name__}.Net", "parameters": 195}
    assert config["data"] == {"_target_": None, "object": "builtins.dict"}
    assert config["choices"]["model"] == f"{__name__}.Net"
    assert (run.directory / "overrides.yaml").read_text() == yaml.safe_dump(QUICK)


def test_weights_are_taken_as_they_are_unless_an_initialization_is_chosen(folder: Path) -> None:
    net, still = seeded_net(), [*QUICK, "steps=1", "optimizer=sgd", "optimizer.lr=1e-30"]
    assert equal(fastrun.train(still, quiet=True, model=net, data=splits()).model.net, net)
    assert equal(fastrun.train(["+recipe=mlp_fast", *still], quiet=True, model=net, data=splits()).model.net, net)
    assert not equal(fastrun.train([*still, "init=orthogonal"], quiet=True, model=net, data=splits()).model.net, net)


def test_a_lightning_module_and_a_data_module_are_trained_by_their_own_steps(folder: Path) -> None:
    run = fastrun.train(QUICK, quiet=True, model=Lit(), data=Module())
    assert run.summary["best"]["metric"] == "val/loss"
    assert run.summary["heuristics"]["loss"]["used"] == "the model's own"


def test_only_the_model_or_only_the_data_may_be_an_object(folder: Path) -> None:
    digits = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert fastrun.train(QUICK, quiet=True, model=digits).summary["best"]["metric"] == "val/acc"
    loaders = {name: DataLoader(part) for name, part in splits().items()}
    run = fastrun.train([*MLP, "target.metric=val/loss", "target.value=30"], quiet=True, data=loaders)
    assert run.summary["target"]["reached"]


def test_the_metric_of_the_default_data_does_not_bind_an_object(folder: Path) -> None:
    tokens = TensorDataset(torch.randint(5, (40, 6)), torch.randint(5, (40, 6)))
    net = nn.Sequential(nn.Embedding(5, 8), nn.Linear(8, 5))
    own = [*QUICK, "batch.size=10", "target.value=1000"]  # a perplexity, which no accuracy can be
    run = fastrun.train(own, quiet=True, model=net, data={"train": tokens, "val": tokens})
    assert run.summary["target"]["metric"] == "val/perplexity"


def test_callbacks_are_called_beside_those_of_the_config(folder: Path) -> None:
    (folder / "mymod.py").write_text("from pytorch_lightning import Callback\nclass Quiet(Callback): pass\n")
    first, second = Stop(), Stop()
    own = [*MLP, "+callbacks.quiet._target_=mymod.Quiet"]
    run = fastrun.train(own, quiet=True, callbacks=[first, second])
    assert (first.calls, second.calls) == (2, 2)
    assert [*config_of(run)["callbacks"]] == ["quiet", "Stop", "Stop_2"]


def test_a_run_of_objects_resumes_to_the_bit(folder: Path) -> None:
    data, own = splits(), ["epochs=4", *QUICK[1:]]
    whole = fastrun.train(own, quiet=True, model=seeded_net(dropout=0.2), data=data)
    with pytest.raises(UsageError, match="stopped by a test"):
        fastrun.train([*own, "name=cut"], quiet=True, model=seeded_net(dropout=0.2), data=data, callbacks=[Stop(True)])
    cut = next((folder / "outputs/cut").iterdir())
    with pytest.raises(ConfigError, match=r"callbacks\.Stop"):
        fastrun.resume(cut, quiet=True, model=Net(), data=data)
    run = fastrun.resume(cut, quiet=True, model=seeded_net(9, dropout=0.2), data=data, callbacks=[])
    assert run.summary["steps"] == 16
    assert equal(run.load_model("last").net, whole.load_model("last").net)
    assert fastrun.resume(run, quiet=True, model=Net(), data=data).summary == run.summary  # it is finished
    longer = fastrun.resume(run, "epochs=5", quiet=True, model=Net(dropout=0.2), data=data, callbacks=[])
    assert longer.summary["steps"] == 20


def test_a_run_that_ended_before_it_saved_anything_starts_again(folder: Path) -> None:
    own = [*QUICK, "name=early", "checkpoint.every=9ep"]
    with pytest.raises(UsageError):
        fastrun.train([*own, "epochs=3"], quiet=True, model=seeded_net(), data=splits(), callbacks=[Stop(True)])
    cut = next((folder / "outputs/early").iterdir())
    run = fastrun.resume(cut, quiet=True, model=seeded_net(), data=splits(), callbacks=[])
    assert run.summary["steps"] == 12


def test_other_data_and_other_networks_are_refused(folder: Path) -> None:
    data = splits()
    run = fastrun.train(QUICK, quiet=True, model=seeded_net(), data=data)
    plain = fastrun.train([*MLP, "epochs=1"], quiet=True)
    assert equal(fastrun.load(run, model=seeded_net(7)).net, run.model.net)
    other = {**data, "train": TensorDataset(torch.randn(200, 8), torch.randint(3, (200,)))}
    with pytest.raises(DataError, match="the data has changed"):
        fastrun.resume(run, "epochs=3", quiet=True, model=Net(), data=other)
    for refuse in (fastrun.load, lambda path, model: fastrun.resume(path, "epochs=3", model=model, data=data)):
        with pytest.raises(UsageError, match=r"is of the class .*Net; this one: .*Linear"):
            refuse(run, model=nn.Linear(8, 3))
        with pytest.raises(UsageError, match="has 195 parameters; this one has 111"):
            refuse(run, model=Net(hidden=9))
    with pytest.raises(UsageError, match="model=mlp, which is no object"):
        fastrun.load(plain, model=Net())
    net = Net()
    net.register_buffer("scale", torch.ones(1))
    with pytest.raises(CheckpointError, match="it has no scale"):
        fastrun.load(run, model=net)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("resume RUN", "fastrun.resume(RUN, model=…, data=…) or fastrun.load(RUN, model=…)"),
        ("resume RUN epochs=9", "fastrun.resume(RUN, model=…, data=…) or fastrun.load(RUN, model=…)"),
        ("eval RUN --split val", "fastrun.load(RUN, model=…)"),
        ("predict RUN x.npy", "fastrun.load(RUN, model=…)"),
        ("find lr RUN", "fastrun.load(RUN, model=…)"),
        ("tune RUN", "fastrun.load(RUN, model=…)"),
        ("diagnose RUN", "fastrun.load(RUN, model=…)"),
    ],
)
def test_the_command_line_says_that_only_python_has_the_objects(folder: Path, capfd, line: str, hint: str) -> None:
    with pytest.raises(UsageError):
        fastrun.train([*QUICK, "name=cut"], quiet=True, model=Net(), data=splits(), callbacks=[Stop(True)])
    cut = str(next((folder / "outputs/cut").iterdir()))
    np.save(folder / "x.npy", np.zeros((1, 8), np.float32))
    assert main([cut if word == "RUN" else word for word in line.split()]) == 2
    error = capfd.readouterr().err
    assert error.startswith(f"error: model ({__name__}.Net)")
    assert error.count("\n") == 2
    assert hint.partition(")")[0].removesuffix(", data=…") in error


def test_a_report_of_a_run_of_objects_is_written_without_results_by_class(folder: Path, capfd) -> None:
    run = fastrun.train(QUICK, quiet=True, model=Net(), data=splits())
    assert main(["report", str(run.directory)]) == 0
    assert "which only Python can give" in (run.directory / "report.html").read_text()


@pytest.mark.parametrize(
    ("overrides", "objects", "message"),
    [
        ([], {"model": "mlp"}, "model=… is of the type str, not a torch.nn.Module"),
        ([], {"model": Net}, "model=Net is a class"),
        (["model=mlp"], {"model": Net()}, "model=mlp and model=… (tests.Net) exclude each other"),
        (["model.hidden=[3]"], {"model": Net()}, "model.hidden=[3] and model=… (tests.Net) exclude each other"),
        (["data=digits"], {"data": splits()}, "data=digits and data=… (builtins.dict) exclude each other"),
        ([], {"data": splits()["train"]}, "data=… is of the type TensorDataset"),
        ([], {"data": {"train": splits()["train"]}}, "data=… has no val set"),
        ([], {"callbacks": Stop()}, "callbacks=… is of the type Stop"),
        ([], {"callbacks": [Stop]}, "callbacks=[…]: Stop is no object of a Lightning Callback"),
        (["device.count=2"], {"model": Net()}, "device.count=2: the other processes cannot be given the model"),
        (["-m", "seed=1,2"], {"model": Net()}, "fastrun.train trains one run only"),
        (["--cfg", "job"], {}, "--cfg prints something, and trains nothing"),
        ("--help", {}, "--help prints something, and trains nothing"),
        (["--epochs", "3"], {}, "--epochs is not a flag"),
    ],
)
def test_what_cannot_be_trained_is_refused(folder: Path, capfd, overrides, objects, message: str) -> None:
    with pytest.raises(FastrunError) as error:
        fastrun.train(overrides, **objects)
    assert error.value.message.replace(__name__, "tests").startswith(message)
    assert error.value.hint
    assert not list(folder.glob("outputs/*/*"))


def test_a_data_set_that_raises_is_named(folder: Path) -> None:
    class Broken(TensorDataset):
        def __getitem__(self, index: int) -> tuple[Tensor, ...]:
            raise KeyError("a broken file")

    data = splits()
    with pytest.raises(DataError, match=r"Broken returned a set that raised KeyError: 'a broken file'"):
        fastrun.train(QUICK, model=Net(), data={**data, "train": Broken(*data["train"].tensors)})


def test_a_model_that_cannot_be_copied_is_refused(folder: Path) -> None:
    net = Net()
    net.file = open(__file__)  # noqa: PTH123, SIM115
    with net.file, pytest.raises(ConfigError, match="the model cannot be copied: TypeError"):
        fastrun.train(QUICK, quiet=True, model=net, data=splits())


def test_a_run_shows_itself_and_draws_its_curves(folder: Path) -> None:
    run = fastrun.train(MLP, quiet=True)
    assert repr(run).startswith(f"<Run {run.directory}: finished, val/acc 0.")
    html = run._repr_html_()
    assert html.startswith("<table>")
    assert "epochs=2" in html
    assert len(html) < 1000
    figure = run.plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "val/acc"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["train/loss", "val/loss"]
    assert [line.get_xdata()[-1] for line in figure.axes[0].lines] == [run.summary["steps"]] * 2
    assert figure._repr_png_().startswith(b"\x89PNG")
    (axes,) = run.plot("f1", over="samples").axes
    assert (axes.get_ylabel(), axes.lines[0].get_xdata()[-1]) == ("val/f1", run.summary["samples"])
    with pytest.raises(UsageError, match="no curve of val/auc"):
        run.plot("auc")
    with pytest.raises(UsageError, match="over='minutes' is no axis"):
        run.plot(over="minutes")


def test_runs_are_a_data_frame(folder: Path, monkeypatch) -> None:
    assert len(fastrun.runs()) == 0
    runs = [fastrun.train([*MLP, f"optimizer.lr={rate}"], quiet=True) for rate in (0.01, 0.001)]
    frame = fastrun.runs()
    assert frame["run"].to_list() == [str(run.directory.relative_to(folder)) for run in runs]
    assert frame["best"].to_list() == pytest.approx([run.summary["best"]["value"] for run in runs])
    assert frame["optimizer.lr"].to_list() == [0.01, 0.001]
    assert frame["model"].to_list() == ["mlp", "mlp"]
    assert "batch.size" not in frame.columns
    assert fastrun.runs("optimizer.lr<0.005").height == 1
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.warns(UserWarning, match=r"fastrun\[table\]"):
        assert [row["optimizer.lr"] for row in fastrun.runs()] == [0.01, 0.001]
    with pytest.raises(FastrunError, match="is not a folder"):
        fastrun.runs(folder="nowhere")


def test_compared_runs_are_rows(folder: Path) -> None:
    runs = [fastrun.train([*MLP, f"epochs={count}"], quiet=True) for count in (1, 6)]
    rows = fastrun.compare(*runs)
    assert [row["values"]["epochs"] for row in rows] == [6, 1]
    assert rows[0]["best"]["mean"] == pytest.approx(runs[1].summary["best"]["value"])
    with pytest.warns(UserWarning, match="nothing to compare it with"):
        rows = fastrun.compare(filter="epochs=6")
    assert rows[0]["runs"] == [str(runs[1].directory.relative_to(folder))]
    with pytest.raises(UsageError, match="compare needs runs"):
        fastrun.compare()


@pytest.mark.slow
def test_a_sweep_has_its_runs_and_the_best(folder: Path, capfd) -> None:
    sweep = fastrun.sweep([*MLP, "epochs=1,4"], quiet=True)
    assert capfd.readouterr().out == ""
    assert [run.status for run in sweep] == ["finished", "finished"]
    assert sweep.best is max(sweep.runs, key=lambda run: run.summary["best"]["value"])
    assert (sweep.points[1], sweep.best.settings.epochs) == (["epochs=4"], 4)
    assert "<td>epochs=4</td><td>finished, val/acc" in sweep._repr_html_()
    assert sweep.best.model.net is not None
    assert not sweep.failed
    assert repr(sweep).startswith(f"<Sweep {sweep.folder}: 2 runs, best <Run ")
    assert len(fastrun.compare(sweep)) == 2


def test_a_sweep_or_study_that_does_not_compose_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no key or group epoch"):
        fastrun.sweep([*MLP, "epoch=1,2"], quiet=True)
    with pytest.raises(ConfigError, match=r"no key study\.block"):
        fastrun.ablate([*MLP, "study.block=3"], quiet=True)


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.first
def test_a_study_has_its_verdicts(folder: Path, capfd) -> None:
    own = [*MLP, "epochs=3", "target.value=0.5", "study.factors=[optimizer]", "study.plain=false"]
    study = fastrun.ablate(own, quiet=True)
    assert capfd.readouterr().out == ""
    assert [row["factor"] for row in study.verdicts if row["kind"] == "without"] == ["optimizer"]
    assert repr(study).startswith(f"<Study {study.folder}: ")
