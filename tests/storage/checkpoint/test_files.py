"""Which checkpoints of a run count, which of them are whole, and what goes when a run goes on."""

import errno
import os
from pathlib import Path

import pytest

from fastrun.errors import CheckpointError
from fastrun.storage.atomic import sha256_of
from fastrun.storage.checkpoint import files
from fastrun.storage.checkpoint.files import SavedCheckpoint, forget_after, list_checkpoints
from fastrun.storage.checkpoint.select import newest_good


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    return tmp_path / "run" / "checkpoints"


def save(folder: Path, *steps: int) -> None:
    for step in steps:
        path = folder / f"step-{step:08d}.ckpt"
        path.write_bytes(b"weights")
        SavedCheckpoint(path, step, sha256_of(path), 7, {"val/acc": step / 10}).write_manifest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_checkpoints_are_listed_newest_first_and_only_with_a_manifest(folder):
    save(folder, 10, 2, 9, 123456789)
    (folder / "step-00000011.ckpt").write_bytes(b"no manifest yet")
    (folder / "step-of-mine.json").write_text("{}")
    assert [one.step for one in list_checkpoints(folder)] == [123456789, 10, 9, 2]
    assert list_checkpoints(folder)[1].metrics == {"val/acc": 1.0}


def damage_by_cutting(path):
    path.write_bytes(path.read_bytes()[:-1])


def damage_by_changing(path):
    path.write_bytes(b"W" + path.read_bytes()[1:])


def damage_of_the_manifest(path):
    path.with_suffix(".json").write_text('{"step": 1')


def manifest_of_something_else(path):
    path.with_suffix(".json").write_text("[1]")


@pytest.mark.parametrize(
    "damage", [damage_by_cutting, damage_by_changing, damage_of_the_manifest, manifest_of_something_else, os.unlink]
)
def test_the_newest_good_checkpoint_is_found_past_damaged_ones_which_are_named(folder, damage):
    save(folder, 1, 2, 3)
    assert newest_good(folder)[0].step == 3
    for step in (2, 3):
        damage(folder / f"step-{step:08d}.ckpt")
    good, broken = newest_good(folder)
    assert good.step == 1
    assert [one.path.name for one in broken] == ["step-00000003.ckpt", "step-00000002.ckpt"]


def test_one_that_the_disk_cannot_read_is_passed_over(folder, monkeypatch):
    save(folder, 1, 2)

    def reading(path):
        if path.stem == "step-00000002":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return sha256_of(path)

    monkeypatch.setattr(files, "sha256_of", reading)
    good, broken = newest_good(folder)
    assert (good.step, [one.step for one in broken]) == (1, [2])


def test_without_a_good_checkpoint_there_is_nothing_to_go_on_from(folder):
    with pytest.raises(CheckpointError, match="has no checkpoint") as caught:
        newest_good(folder)
    assert caught.value.exit_code == 6
    save(folder, 1)
    damage_by_cutting(folder / "step-00000001.ckpt")
    with pytest.raises(CheckpointError, match="is whole"):
        newest_good(folder)


def test_going_on_leaves_the_checkpoints_up_to_there_and_nothing_of_saves_that_died(folder):
    save(folder, 1, 2, 3, 4)
    damage_by_cutting(folder / "step-00000004.ckpt")
    (folder / "step-00000005.ckpt").write_bytes(b"its save died before the manifest")
    (folder / "step-00000001.ckpt").unlink()
    (folder / ".step-00000006.ckpt.4711").write_bytes(b"its save died before the end")
    (folder / "mine.ckpt").write_bytes(b"")
    (folder / ".mine").write_bytes(b"")
    forget_after(folder, 3)
    pairs = [f"step-0000000{step}.{end}" for step in (2, 3) for end in ("ckpt", "json")]
    assert names(folder) == [".mine", "mine.ckpt", *pairs]


def test_a_file_that_this_process_is_writing_stays(folder):
    own = folder / f".step-00000002.ckpt.{os.getpid()}"
    own.write_bytes(b"")
    forget_after(folder, 1)
    assert own.exists()


def test_of_two_files_to_forget_the_manifest_goes_first(folder, monkeypatch):
    save(folder, 1, 2)
    gone = []
    monkeypatch.setattr(files, "remove", lambda path: gone.append(path.name))
    forget_after(folder, 1)
    list_checkpoints(folder)[0].remove()
    assert gone == ["step-00000002.json", "step-00000002.ckpt"] * 2
