"""Checkpoints: what counts as damaged, what a start does with a folder that holds no usable one, and what it keeps."""

import errno
import os
import resource
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from libml.errors import UserError
from libml.training import checkpoint
from libml.training.checkpoint import Checkpoints, list_checkpoints


def saved(folder: Path, *positions: int) -> Checkpoints:
    """A run's checkpoints, the value of each its position."""
    variable = tf.Variable(0)
    checkpoints = Checkpoints(folder / "tf", tf.train.Checkpoint(v=variable))
    for nimg in positions:
        variable.assign(nimg)
        checkpoints.save(nimg)
    return checkpoints


def restored(folder: Path) -> tuple[int | None, int]:
    """What a new process restores: the position, and the value."""
    variable = tf.Variable(0)
    return Checkpoints(folder / "tf", tf.train.Checkpoint(v=variable)).restore_latest(), int(variable)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ruin(path: Path) -> None:
    (path / "model.index").write_bytes(b"\0" * 100)


TRANSIENT = {
    "permission": tf.errors.PermissionDeniedError(None, None, "model.index; Permission denied"),
    "memory": tf.errors.ResourceExhaustedError(None, None, "model.index; Too many open files"),
    "network": tf.errors.UnavailableError(None, None, "the file system is away"),
    "aborted": tf.errors.AbortedError(None, None, "aborted"),
    "disk": tf.errors.UnknownError(None, None, "model.data-00000-of-00001; Input/output error"),
    "disk, of no class": tf.errors.OpError(None, None, "model.index; Stale file handle", tf.errors.UNKNOWN),
    "runtime": RuntimeError("model.index; Input/output error"),
}


@pytest.mark.parametrize("error", TRANSIENT.values(), ids=TRANSIENT)
def test_what_cannot_be_read_at_present_is_no_damage(tmp_path, monkeypatch, error):
    saved(tmp_path, 1024, 2048)
    before = tree(tmp_path)

    def refuse(self, path):
        raise error

    with monkeypatch.context() as patched, pytest.raises(UserError, match=r"cannot read checkpoint .*ckpt-0000002048"):
        patched.setattr(tf.train.Checkpoint, "read", refuse)
        restored(tmp_path)
    assert tree(tmp_path) == before
    assert restored(tmp_path) == (2048, 2048)


@pytest.mark.parametrize("name", ["model.index", "model.data-00000-of-00001"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ESTALE, errno.EIO])
def test_a_file_that_cannot_be_opened_is_no_damage(tmp_path, monkeypatch, name, number):
    saved(tmp_path, 1024, 2048)
    before, plain = tree(tmp_path), Path.open

    def refuse(path, *args, **options):
        if path.name == name:
            raise OSError(number, os.strerror(number))
        return plain(path, *args, **options)

    with (
        monkeypatch.context() as patched,
        pytest.raises(UserError, match=f"cannot read .*{name}: {os.strerror(number)}"),
    ):
        patched.setattr(Path, "open", refuse)
        restored(tmp_path)
    assert tree(tmp_path) == before


def test_too_many_open_files_are_no_damage_and_no_new_run(tmp_path):
    saved(tmp_path, 1024, 2048)
    before, (soft, hard) = tree(tmp_path), resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    try:
        for spare in range(4):  # none is left for the folder, for a file, for TensorFlow
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, hard))
            try:
                assert restored(tmp_path) == (2048, 2048)
            except UserError as e:
                assert "cannot read" in str(e) and "Too many open files" in str(e)
            else:
                assert spare
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert tree(tmp_path) == before


def test_a_folder_that_cannot_be_listed_is_no_new_run(tmp_path, monkeypatch):
    saved(tmp_path, 1024)

    def refuse(path=".", *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot read .*tf: Permission denied"):
        restored(tmp_path)


def test_only_damaged_ones_are_left_as_they_are_and_refused_again_and_again(tmp_path):
    saved(tmp_path, 1024, 2048)
    for _, path in list_checkpoints(tmp_path / "tf"):
        ruin(path)
    before = tree(tmp_path)
    for _ in range(2):
        with pytest.raises(UserError, match=r"no checkpoint of .* can be read: ckpt-0000001024, .*--reset"):
            restored(tmp_path)
    assert tree(tmp_path) == before


def test_a_run_of_which_only_what_was_put_aside_is_left_does_not_start_anew(tmp_path):
    saved(tmp_path, 1024, 2048)
    ruin(tmp_path / "tf" / "ckpt-0000002048")
    assert restored(tmp_path) == (1024, 1024)
    assert sorted(os.listdir(tmp_path / "tf")) == ["ckpt-0000001024", "damaged-ckpt-0000002048"]
    shutil.rmtree(tmp_path / "tf" / "ckpt-0000001024")
    for _ in range(2):
        with pytest.raises(UserError, match=r"damaged-ckpt-0000002048 .*--reset"):
            restored(tmp_path)


def test_what_is_garbled_anywhere_is_damage(tmp_path):
    saved(tmp_path, 1024, 2048)
    pristine = tmp_path / "pristine"
    (tmp_path / "tf" / "ckpt-0000002048").rename(pristine)
    for name in ("model.index", "model.data-00000-of-00001"):
        whole = (pristine / name).read_bytes()
        cuts = [whole[:n] for n in range(0, len(whole), max(1, len(whole) // 10))]
        places = range(0, max(1, len(whole) - 80), max(1, len(whole) // 10))  # an index ends with unused bytes
        flips = [whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :] for i in places]
        for content in cuts + flips:
            shutil.rmtree(tmp_path / "tf" / "damaged-ckpt-0000002048", ignore_errors=True)
            shutil.copytree(pristine, tmp_path / "tf" / "ckpt-0000002048")
            (tmp_path / "tf" / "ckpt-0000002048" / name).write_bytes(content)
            assert restored(tmp_path) == (1024, 1024)


def test_a_checkpoint_that_stays_is_said_once_and_saving_goes_on(tmp_path, monkeypatch, capsys):
    plain = os.unlink

    def refuse(path, *args, **options):
        if Path(path).name == "foreign":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        plain(path, *args, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    checkpoints = saved(tmp_path, 1024)
    (tmp_path / "tf" / "ckpt-0000001024" / "foreign").touch()
    for nimg in (2048, 3072, 4096, 5120, 6144):
        checkpoints.save(nimg)
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot remove" in line and "ckpt-0000001024: Permission denied" in line
    assert [nimg for nimg, _ in list_checkpoints(tmp_path / "tf")] == [1024, 4096, 5120, 6144]


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def note_fsync(handle):
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        fsync(handle)

    def note_replace(old, new):
        done.append(f"named {Path(new).name}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    saved(tmp_path, 1024)
    named = done.index("named ckpt-0000001024")
    assert {"model.index", "model.data-00000-of-00001"} <= set(done[:named])
    assert done[named + 1 :] == ["tf"]


def test_a_position_that_a_run_does_not_have_is_named(tmp_path):
    saved(tmp_path, 1024, 2048)
    assert checkpoint.of_run(tmp_path)[0] == 2048
    with pytest.raises(UserError, match=r"after 5 images: .*\[1024, 2048\]"):
        checkpoint.of_run(tmp_path, 5)


def test_the_newest_are_kept_and_restored(tmp_path):
    checkpoints = saved(tmp_path, 1024, 2048, 3072, 4096)
    checkpoints.save(5120)
    assert [nimg for nimg, _ in list_checkpoints(tmp_path / "tf")] == [3072, 4096, 5120]
    assert restored(tmp_path) == (5120, 4096)


def test_values_that_are_missing_or_left_over_are_of_another_configuration(tmp_path):
    saved(tmp_path, 1024)
    path, before = tmp_path / "tf" / "ckpt-0000001024", tree(tmp_path)
    for names in ("vw", "w", ""):
        objects = tf.train.Checkpoint(**{name: tf.Variable(0) for name in names})
        with pytest.raises(UserError, match="another configuration"):
            checkpoint.restore(path, objects)
    with pytest.raises(UserError, match="another configuration"):
        checkpoint.restore(path, tf.train.Checkpoint(w=tf.Variable(0)), partial=True)
    assert tree(tmp_path) == before
