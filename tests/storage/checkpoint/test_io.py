import hashlib
import io
import json
import os
import pickle
import time
from collections import OrderedDict
from itertools import count
from threading import Event

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.errors import CheckpointError, StorageError
from fastrun.storage.checkpoint.io import AtomicCheckpointIO
from fastrun.storage.checkpoint.load import load
from fastrun.storage.checkpoint.state import CheckpointState, TrainState

# Files that are no checkpoint may look like a pickle of another protocol, which torch warns of before it refuses them.
pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


def checkpoint(step: int = 7, size: int = 4) -> dict:
    content: dict = {
        "state_dict": {"net.weight": torch.arange(float(size)), "net.half": torch.ones(2, dtype=torch.bfloat16)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(size)}}, "param_groups": [{"lr": 0.1}]}],
    }
    state = TrainState(step=step).state()
    plain: dict = {"config": {}, "data": {}}
    CheckpointState(state, world_size=1, clock={"train": 1.0}, metrics={"val/acc": 0.5}, **plain).put_into(content)
    return content


def written() -> bytes:
    buffer = io.BytesIO()
    torch.save(checkpoint(), buffer)
    return buffer.getvalue()


WHOLE = written()


class Payload:
    """What runs code when it is unpickled: here, makes a folder."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Unwritable:
    """What fails in the middle of being saved."""

    def __reduce__(self):
        raise OSError(28, "No space left on device")


class Waiting:
    """What keeps a save waiting until an event."""

    def __init__(self, event: Event) -> None:
        self.event = event

    def __reduce__(self):
        self.event.wait(30)
        return OrderedDict, ()


def save(content: dict, path, then=None) -> None:
    """Save, and wait for it."""
    checkpoints = AtomicCheckpointIO()
    checkpoints.save_checkpoint(content, path, then)
    checkpoints.teardown()


def poll_for_long(checkpoints: AtomicCheckpointIO) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        checkpoints.poll()


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "step-00000007.ckpt"


@pytest.fixture
def refused(tmp_path):
    def check(data: bytes) -> None:
        file = tmp_path / "any.ckpt"
        file.write_bytes(data)
        with pytest.raises(CheckpointError):
            load(file)

    return check


def test_what_is_saved_is_loaded(path):
    save(checkpoint(), path)
    found = AtomicCheckpointIO().load_checkpoint(path)
    torch.testing.assert_close(found, checkpoint(), rtol=0, atol=0)


def test_the_manifest_says_how_to_check_the_file_and_what_it_is(path):
    save(checkpoint(), path)
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["size"] == len(path.read_bytes())
    assert (manifest["step"], manifest["metrics"]) == (7, {"val/acc": 0.5})
    assert manifest["versions"]["torch"] == torch.__version__


def test_saving_leaves_the_file_and_its_manifest_alone(path):
    save(checkpoint(), path)
    assert names(path.parent) == ["step-00000007.ckpt", "step-00000007.json"]


def test_removing_takes_the_manifest_along(path):
    save(checkpoint(), path)
    for _ in range(2):
        AtomicCheckpointIO().remove_checkpoint(path)
        assert names(path.parent) == []


def test_training_goes_on_while_a_copy_is_written(path):
    checkpoints, may_write = AtomicCheckpointIO(), Event()
    content = checkpoint() | {"waiting": Waiting(may_write)}
    checkpoints.save_checkpoint(content, path)
    content["state_dict"]["net.weight"].zero_()
    content["fastrun"]["train_state"]["step"] = 8
    assert path.name not in names(path.parent)
    may_write.set()
    checkpoints.wait()
    torch.testing.assert_close(load(path), checkpoint() | {"waiting": OrderedDict()}, rtol=0, atol=0)


def test_what_follows_a_save_finds_it_there(path):
    found = []
    save(checkpoint(), path, lambda: found.extend(names(path.parent)))
    assert found == ["step-00000007.ckpt", "step-00000007.json"]


def test_a_save_waits_for_the_one_before_and_says_what_went_wrong_with_it(path):
    checkpoints = AtomicCheckpointIO()
    checkpoints.save_checkpoint(checkpoint() | {"more": Unwritable()}, path)
    with pytest.raises(StorageError, match="cannot write"):
        checkpoints.save_checkpoint(checkpoint(), path)
    checkpoints.teardown()
    assert names(path.parent) == []


def test_a_save_that_failed_is_said_as_soon_as_it_is_known(path):
    checkpoints, may_write = AtomicCheckpointIO(), Event()
    checkpoints.save_checkpoint(checkpoint() | {"waiting": Waiting(may_write), "more": Unwritable()}, path)
    checkpoints.poll()
    may_write.set()
    with pytest.raises(StorageError, match="cannot write"):
        poll_for_long(checkpoints)
    checkpoints.poll()
    checkpoints.teardown()


def test_what_the_disk_has_no_room_for_is_refused_before_it_is_copied(path):
    save(checkpoint(), path)
    content = {"state_dict": {"net.weight": torch.empty(1, dtype=torch.int8).expand(2**60)}}  # no memory holds a copy
    with pytest.raises(StorageError, match=r"step-00000008.ckpt: 11529215046\d\d.\d MB needed") as caught:
        save(content, path.with_name("step-00000008.ckpt"))
    assert caught.value.exit_code == 7
    assert names(path.parent) == ["step-00000007.ckpt", "step-00000007.json"]


@pytest.mark.parametrize(
    "content",
    [
        {"numbers": list(range(10_000)), "floats": [0.5] * 10_000},
        {"by number": {i: 1 / (i + 1) for i in range(50_000)}},
        {f"network.block.{i}.a.rather.long.name.of.a.weight": torch.ones(3) for i in range(300)},
        {"weights": torch.ones(100_000)},
        {"nested": [{"names": [f"name {i}" for i in range(3000)]}, (1, None, True)]},
    ],
    ids=["numbers", "numbers by number", "many tensors", "a large tensor", "names"],
)
def test_a_file_is_not_larger_than_foreseen(path, monkeypatch, content):
    content = checkpoint() | content
    foreseen = []
    monkeypatch.setattr("fastrun.storage.checkpoint.io.check_free_space", lambda path, size: foreseen.append(size))
    save(content, path)
    size = path.stat().st_size + path.with_suffix(".json").stat().st_size
    assert size <= foreseen[0] <= 2 * size + (1 << 17)


@pytest.mark.parametrize("more", [{}, {"more": Unwritable()}], ids=["on a full disk", "midway"])
def test_a_save_that_fails_is_a_storage_error_and_leaves_the_one_before(path, more, disk_full_after):
    save(checkpoint(), path)
    before = path.read_bytes()
    with disk_full_after(20_000), pytest.raises(StorageError) as caught:
        save(checkpoint(size=100_000) | more, path)
    assert caught.value.exit_code == 7
    assert path.read_bytes() == before
    assert names(path.parent) == ["step-00000007.ckpt", "step-00000007.json"]


@pytest.mark.parametrize("is_once", [True, False])
def test_whichever_of_its_writes_fails_a_save_does(path, monkeypatch, is_once):
    """Torch hands its file over piece by piece, from code that is not Python's."""
    monkeypatch.setattr("fastrun.storage.atomic.BUFFER_SIZE", 1)
    for n in count(1):
        calls, real = count(1), os.write

        def write(handle, data, calls=calls, real=real, n=n):
            if (call := next(calls)) == n or (call > n and not is_once):
                raise OSError(28, "No space left on device")
            return real(handle, data)

        monkeypatch.setattr(os, "write", write)
        try:
            save(checkpoint(), path)
            break
        except StorageError:
            assert names(path.parent) in ([], [path.name])
        finally:
            monkeypatch.setattr(os, "write", real)
    assert n > 20
    assert names(path.parent) == ["step-00000007.ckpt", "step-00000007.json"]


def test_a_payload_is_refused_and_not_run(tmp_path, path):
    torch.save(checkpoint() | {"payload": Payload(tmp_path / "executed")}, path)
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        load(path)
    assert caught.value.exit_code == 6
    assert not (tmp_path / "executed").exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path, path):
    path.write_bytes(pickle.dumps({"fastrun": Payload(tmp_path / "executed")}))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(path)
    assert not (tmp_path / "executed").exists()


def test_the_payload_would_have_run(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "executed")))
    assert (tmp_path / "executed").is_dir()


@pytest.mark.parametrize("length", [*range(16), 60, 300, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_truncated_file_is_refused(refused, length):
    refused(WHOLE[:length])


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=40))
def test_a_file_of_anything_else_is_refused(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "anything.ckpt"
    file.write_bytes(data)
    with pytest.raises(CheckpointError):
        load(file)


@pytest.mark.parametrize("data", [b"", b"hello\n", b"{}", b".", b"\x80\x02l", b"h\x00.", b"J\x00"])
def test_a_file_of_another_kind_is_refused(refused, data):
    refused(data)


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.zeros(2), {"fastrun": None}])
def test_a_checkpoint_of_something_else_is_refused(path, content):
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="is not a checkpoint of fastrun"):
        load(path)


def test_a_missing_file_is_refused(path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(path.parent)
