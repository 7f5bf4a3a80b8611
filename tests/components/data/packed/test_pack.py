"""What a pack contains, and what packing refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fastrun.cli.main import main
from fastrun.components.data.image_folder import image_folder
from fastrun.components.data.packed import pack as module
from fastrun.components.data.packed.stream import stream
from fastrun.components.data.splits import check_splits
from fastrun.components.data.table import table
from fastrun.components.data.text import text
from fastrun.components.pipeline.standardize import fit_standardize
from fastrun.errors import ConfigError, DataError

pytest.importorskip("litdata")
pytest.importorskip("PIL")

ROOT = Path(__file__).resolve().parents[4]


def content(samples) -> list[tuple]:
    pairs = [(torch.as_tensor(x), torch.as_tensor(y)) for x, y in (samples[index] for index in range(len(samples)))]
    return sorted((tuple(x.flatten().tolist()), tuple(y.flatten().tolist())) for x, y in pairs)


def assert_same(packed: dict, read: dict) -> None:
    """Check that a pack has the samples of the data that was packed, in each split."""
    assert packed["classes"] == read["classes"]
    for name in ("train", "val", "test"):
        assert (name in packed) == (name in read)
        if name in read:
            assert content(packed[name]) == content(read[name]), name
    ours, theirs = check_splits(packed), check_splits(read)
    assert (ours.task, ours.in_shape) == (theirs.task, theirs.in_shape)
    scaling, other = fit_standardize(ours.train), fit_standardize(theirs.train)
    torch.testing.assert_close(scaling.mean, other.mean, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(scaling.scale, other.scale, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [None, 4], ids=["files", "pixels"])
def test_a_pack_of_images_has_the_samples_of_the_folder(tmp_path, source, capsys, size):
    options = [] if size is None else [f"--size={size}"]
    assert main(["data", "pack", str(source), str(tmp_path / "out"), "--shard-size=500", *options]) == 0
    assert "fastrun train data=stream data.root=" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "out/pack.json").read_text())
    assert manifest["kind"] == ("files" if size is None else "pixels")
    assert len(manifest["splits"]["train"]) > 2
    assert manifest["samples"] == {"train": 20, "val": 2, "test": 2}
    assert_same(stream(str(tmp_path / "out")), image_folder(str(source), size=size, cache=False))


def test_images_of_different_sizes_are_resized_when_they_are_read(tmp_path, source, capsys):
    import shutil

    from PIL import Image

    shutil.copytree(source, tmp_path / "mixed")
    Image.fromarray(np.zeros((9, 7, 3), np.uint8)).save(tmp_path / "mixed/train/ant/large.png")
    assert main(["data", "pack", str(tmp_path / "mixed"), str(tmp_path / "out")]) == 0
    assert "data.size=N" in capsys.readouterr().out
    assert stream(str(tmp_path / "out"), size=5)["train"][0][0].shape == (3, 5, 5)
    with pytest.raises(ConfigError, match=r"the images in .* have different sizes") as caught:
        stream(str(tmp_path / "out"))
    assert "data.size=N" in caught.value.render()


def test_a_pack_of_a_text_has_its_windows(tmp_path):
    (tmp_path / "story.txt").write_text("\ufeffOnce upon a time, zwölf Häuser. " * 40)
    assert main(["data", "pack", str(tmp_path / "story.txt"), str(tmp_path / "out"), "--length", "16"]) == 0
    assert not list((tmp_path / "out").glob("*.partial"))
    assert_same(stream(str(tmp_path / "out")), text(str(tmp_path / "story.txt"), length=16))


@pytest.mark.parametrize("target", ["kind", "price"])
def test_a_pack_of_a_table_has_its_rows(tmp_path, target):
    rows = "\n".join(f"{n % 7},{'ab'[n % 2]},{n * 1.37:.2f},{'xyz'[n % 3]}" for n in range(60))
    (tmp_path / "t.csv").write_text(f"rooms,wing,price,kind\n{rows}\n")
    assert main(["data", "pack", str(tmp_path / "t.csv"), str(tmp_path / "out"), "--target", target]) == 0
    packed, read = stream(str(tmp_path / "out")), table(str(tmp_path / "t.csv"), target)
    assert packed["encoding"] == json.loads(json.dumps(read["encoding"])) | {"window": 8}
    assert_same(packed, read)


def test_the_same_data_makes_the_same_shards(tmp_path, source, packed):
    options = module.PackOptions(shard_bytes=700, val_fraction=0.25, test_fraction=0.0)
    again = module.pack(source, tmp_path / "again", options)
    assert again.text() == (packed / "pack.json").read_text()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # litdata leaves its files open
def test_litdata_reads_the_shards_by_itself(packed):
    import warnings

    from litdata.streaming.cache import Cache
    from litdata.streaming.sampler import ChunkedIndex

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cache = Cache(str(packed / "train"), chunk_bytes="64MB")
        theirs = [cache[ChunkedIndex(*cache._get_chunk_index_from_index(index))] for index in range(18)]
    reader = stream(str(packed))["train"].reader
    assert [(bytes(image), label) for image, label in theirs] == [
        (bytes(image), label) for image, label in map(reader.read, range(18))
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "out"], "nothing does not exist"),
        (["empty", "out"], "empty has no folders of classes"),
        (["photos", "photos/out"], "photos/out is part of photos"),
        (["photos", "full"], "full is not empty"),
        (["photos", "story.txt"], "story.txt is a file"),
        (["photos", "out", "--length=3"], "--length is for a text"),
        (["story.txt", "out", "--size=3"], "--size is for a folder of images"),
        (["story.txt", "out", "--length=3000"], "needs 3001"),
        (["story.txt", "out", "--val-fraction=1"], "1 is not in [0, 1)"),
        (["story.txt", "out", "--shard-size=1TB"], "1TB is no size of a shard"),
        (["latin.txt", "out"], "latin.txt is not UTF-8: byte 2 is 0xe9"),
        (["t.csv", "out"], "--target is not set"),
        (["t.csv", "out", "--target=c"], "--target c: the table has no such column"),
        (["broken", "out"], "it is not an image"),
    ],
)
def test_what_cannot_be_packed_is_refused_in_a_line(folder, source, capsys, arguments, words):
    import shutil

    shutil.copytree(source, folder / "photos")
    shutil.copytree(source, folder / "broken")
    (folder / "broken/train/ant/bad.png").write_text("no image")
    for name in ("empty", "full"):
        (folder / name).mkdir()
    (folder / "full/file").touch()
    (folder / "story.txt").write_text("abc" * 100)
    (folder / "latin.txt").write_bytes(b"caf\xe9"[1:] * 9)
    (folder / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert main(["data", "pack", *arguments]) in (2, 3)
    error = capsys.readouterr().err
    assert words in error
    assert "hint: " in error
    assert "data." not in error
    assert "Traceback" not in error
    assert not list(folder.glob("out/*"))


def test_files_that_are_no_images_are_left_out_where_that_is_asked_for(tmp_path, source, capsys):
    import shutil

    shutil.copytree(source, tmp_path / "photos")
    (tmp_path / "photos/train/ant/bad.png").write_text("no image")
    (tmp_path / "photos/train/bee/notes.txt").write_text("no image")
    assert main(["data", "pack", str(tmp_path / "photos"), str(tmp_path / "out"), "--skip-bad"]) == 0
    assert "2 files were left out" in capsys.readouterr().out


def test_a_pack_without_a_manifest_is_incomplete(folder, source, packed, capsys):
    import shutil

    shutil.copytree(packed, folder / "out")
    (folder / "out/pack.json").unlink()
    assert main(["data", "pack", str(source), "out"]) == 3
    assert "hint: rm -r out" in capsys.readouterr().err
    with pytest.raises(DataError, match="out is not complete"):
        stream("out")


@pytest.mark.slow
def test_a_pack_whose_packing_was_killed_is_known_as_incomplete(folder, source, capsys):
    code = (
        "import os, signal, sys\n"
        "from fastrun.components.data.packed import pack\n"
        "pack.write_manifest = lambda *given: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from fastrun.cli.main import main\n"
        f"main(['data', 'pack', {str(source)!r}, 'out'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, cwd=folder, check=False)
    assert done.returncode == -signal.SIGKILL
    for arguments in (["train", "data=stream", "data.root=out"], ["data", "pack", str(source), "out"]):
        assert main(arguments) == 3
        assert "out is not complete" in capsys.readouterr().err


def test_what_data_takes_is_said(capsys):
    assert main(["data", "pak"]) == 2
    assert "did you mean pack?" in capsys.readouterr().err
    assert main(["data"]) == 2
    assert main(["data", "check", "nowhere"]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
