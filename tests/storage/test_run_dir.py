import json
import math
import os

import pytest
from hypothesis import example, given
from hypothesis import settings as configure
from hypothesis import strategies as st

from fastrun.config.names import check_name, stamp
from fastrun.config.settings import ClipConfig, Settings, TransferConfig
from fastrun.errors import CheckpointError, ConfigError, StorageError
from fastrun.storage.atomic import write_atomic
from fastrun.storage.run_dir import RunDir

NO_PROCESS = 2**22 + 1  # one more than Linux has process ids


@pytest.fixture
def run(tmp_path) -> RunDir:
    return RunDir.create(
        tmp_path / "run", Settings(name="a", clip=ClipConfig("norm", 2.0)), ["clip=norm", "clip.max=2"]
    )


def strict(text: str):
    """Read JSON as other programs do: NaN and Infinity are no words of it."""
    return json.loads(text, parse_constant=pytest.fail)


def test_a_new_run_keeps_what_was_asked_for(run):
    assert run.config()["clip"] == {"kind": "norm", "max": 2.0, "eps": 1e-3}
    assert run.overrides() == ["clip=norm", "clip.max=2"]
    assert run.checkpoints.is_dir()


def test_a_run_directory_is_never_used_twice(run):
    with pytest.raises(StorageError, match="holds a run already") as caught:
        RunDir.create(run.path, Settings(), [])
    assert caught.value.exit_code == 7
    assert run.config()["name"] == "a"


def test_a_run_that_goes_on_with_other_values_keeps_both_command_lines(run):
    run.change(Settings(epochs=20), ["epochs=20"])
    assert run.config()["epochs"] == 20
    assert run.overrides() == ["clip=norm", "clip.max=2", "epochs=20"]


def test_opening_what_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is not a run directory"):
        RunDir.open(tmp_path)


@pytest.mark.parametrize("text", ["a: [1,", "- a", ""])
def test_a_config_that_is_none_any_more_is_a_config_error(run, text):
    (run.path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError):
        RunDir.open(run.path).config()


def test_relative_paths_of_the_users_are_found_from_another_folder(tmp_path, monkeypatch):
    for name in ("start/photos", "start/weights.pt", "elsewhere/photos", "another"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "start")
    data = {"_target_": "photos", "root": "photos", "columns": ["photos"], "side": 8, "text": "a" * 300}
    run = RunDir.create(tmp_path / "run", Settings(data=data, transfer=TransferConfig("finetune", "weights.pt")), [])
    run.begin()
    written = (run.path / "config.yaml").read_bytes()
    assert run.config()["data"] == data
    monkeypatch.chdir(tmp_path / "another")
    run.begin()  # resumed there
    assert run.config()["data"] == data | {"root": str(tmp_path / "start/photos")}
    assert run.config()["transfer"]["source"] == str(tmp_path / "start/weights.pt")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run.config()["data"] == data
    assert (run.path / "config.yaml").read_bytes() == written


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        RunDir.create(tmp_path / "file" / "run", Settings(), [])


def test_the_status_follows_the_run(run):
    assert run.status() == "unknown"
    run.begin()
    assert run.status() == "running"
    run.end("failed", 4)
    assert run.status() == "failed"
    assert run.read("status.json")["exit_code"] == 4


def test_a_second_attempt_is_counted_and_keeps_when_the_run_started(run):
    run.begin()
    started = run.read("status.json")["started"]
    run.end("interrupted", 130)
    run.begin()
    status = run.read("status.json")
    assert (status["attempts"], status["exit_code"], status["started"]) == (2, None, started)


def test_a_run_whose_process_is_gone_was_killed(run):
    run.begin()
    status = run.read("status.json") | {"pid": NO_PROCESS}
    write_atomic(run.path / "status.json", json.dumps(status))
    assert run.status() == "killed"


def test_a_run_of_another_user_is_not_taken_for_dead(run, monkeypatch):
    def forbidden(pid, signal):
        raise PermissionError

    run.begin()
    monkeypatch.setattr(os, "kill", forbidden)
    assert run.status() == "running"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_broken_json_file_reads_as_empty(run, text):
    (run.path / "summary.json").write_text(text)
    assert run.read("summary.json") == {}
    assert run.read("nothing.json") == {}


def test_metrics_are_appended_a_line_each(run):
    assert run.lines() == []
    run.append([{"step": 1, "lr": 0.5}])
    run.append([{"step": 2}, {"step": 3}])
    assert run.lines() == [{"step": 1, "lr": 0.5}, {"step": 2}, {"step": 3}]


def test_numbers_that_json_has_no_word_for_are_null_in_the_metrics(run):
    run.append([{"step": 1, "a": math.nan, "b": math.inf, "c": -math.inf, "d": 0.5}])
    assert strict(run.metrics.read_text()) == {"step": 1, "a": None, "b": None, "c": None, "d": 0.5}


def test_numbers_that_json_has_no_word_for_are_null_in_the_summary(run):
    run.write_summary({"last": {"val/loss": math.nan, "val/acc": 0.5}, "steps": 3})
    text = (run.path / "summary.json").read_text()
    assert strict(text) == {"last": {"val/loss": None, "val/acc": 0.5}, "steps": 3}


def test_a_line_that_a_crash_cut_short_is_left_out(run):
    run.append([{"step": 1}])
    with run.metrics.open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.lines() == [{"step": 1}]


@pytest.mark.parametrize("broken", ['{"step": 2, "lo', "", "[1]", "3", '{"lr": 1}', '{"step": null}', "\0\0\0", "\xff"])
def test_a_broken_line_is_left_out_wherever_it_is(run, broken):
    run.append([{"step": 1}])
    with run.metrics.open("a", encoding="latin-1") as file:
        file.write(f"{broken}\n")
    run.append([{"step": 3}])
    assert run.lines() == [{"step": 1}, {"step": 3}]
    run.forget_after(3)
    assert run.metrics.read_text() == '{"step": 1}\n{"step": 3}\n'


def test_metrics_that_cannot_be_read_are_not_forgotten(run):
    run.metrics.mkdir()  # what reads it meets an error of the system
    with pytest.raises(StorageError, match="cannot read"):
        run.forget_after(3)
    assert run.lines() == []


def test_lines_stay_until_no_checkpoint_is_ahead_of_them(run):
    run.append([{"step": step} for step in (1, 2)])
    (run.checkpoints / "step-00000002.json").touch()
    (run.checkpoints / "step-00000002.ckpt" / "folder").mkdir(
        parents=True
    )  # what removes it meets an error of the system
    with pytest.raises(StorageError, match="cannot remove"):
        run.forget_after(1)
    assert run.lines() == [{"step": 1}, {"step": 2}]


def test_resuming_forgets_the_lines_past_its_step_and_the_one_cut_short(run):
    run.append([{"step": step} for step in range(1, 6)])
    with run.metrics.open("a") as file:
        file.write('{"step": 6')
    run.forget_after(3)
    run.append([{"step": 4}])
    assert [line["step"] for line in run.lines()] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc", ".hidden", "a\\b", "a:b", "a\0", "a\nb", "a" * 101])
def test_a_name_that_would_leave_or_hide_in_the_output_folder_is_refused(name):
    with pytest.raises(ConfigError, match="cannot be a folder"):
        check_name(name)


@configure(deadline=None)
@given(st.text(max_size=101))
@example("漢" * 100)
def test_a_name_that_is_taken_is_a_folder_right_below_the_output_folder(tmp_path_factory, name):
    outputs = tmp_path_factory.mktemp("outputs")
    try:
        folder = outputs / check_name(name)
    except ConfigError:
        return
    folder.mkdir()
    assert folder.resolve().parent == outputs.resolve()


def test_no_two_stamps_are_the_same():
    made = {stamp() for _ in range(20)}
    assert len(made) > 18  # 16 random bits within a second
    assert all(check_name(one) for one in made)
