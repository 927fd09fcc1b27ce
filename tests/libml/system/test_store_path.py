"""Paths on object stores, what is published there, and copies of it; ram:// is TensorFlow's, memory:// is fsspec's."""

import os
import tempfile

import pytest
import tensorflow as tf
from fsspec.implementations.memory import MemoryFileSystem

from libml.errors import UserError
from libml.system import copies, files, lease, stores
from libml.system.store_path import StorePath, to_path
from tests.support.late_store import LateStore


class NamesAlone(MemoryFileSystem):
    """Lists names alone unless it is asked for more, as s3fs does."""

    def ls(self, path, detail=False, **options):
        return super().ls(path, detail, **options)


@pytest.fixture(params=["ram", "memory", "late"])
def folder(request, tmp_path, monkeypatch):
    """An empty folder of a store."""
    monkeypatch.setitem(stores._KNOWN, "memory", stores._FsspecStore(NamesAlone()))
    monkeypatch.setitem(stores._KNOWN, "late", LateStore(tmp_path / "store", late=0))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return to_path(f"{request.param}://bucket/{tmp_path.name}/{request.node.name}")


def test_a_path_of_a_disk_is_a_path_and_one_of_a_store_is_none():
    assert to_path("a/b") == to_path(to_path("a/b")) and not isinstance(to_path("/a"), StorePath)
    path = to_path("gs://bucket//a/../b/c.tar.gz")
    assert str(path) == "gs://bucket/b/c.tar.gz" and path == to_path(path)
    assert (path.name, path.stem, path.suffix) == ("c.tar.gz", "c.tar", ".gz")
    assert str(path.parent / "d") == "gs://bucket/b/d" and path.parent.parent.name == "bucket"
    assert str(path.relative_to(to_path("gs://bucket"))) == "b/c.tar.gz"
    with pytest.raises(TypeError):
        os.fspath(path)  # or a folder gs: would come to be here


def test_an_object_is_written_anew_read_and_removed(folder):
    path = folder / "deep" / "file.txt"
    assert not path.exists() and not folder.is_dir() and list(folder.glob("*")) == []
    files.write_atomic(path, b"a long text")
    files.write_atomic(path, b"short")
    files.append(path, " and more")
    files.append(folder / "new.txt", "one")
    assert path.read_text() == "short and more" and path.stat().st_size == 14
    assert path.is_file() and not path.is_dir() and folder.is_dir() and not folder.is_file()
    assert [p.name for p in folder.iterdir()] == ["deep", "new.txt"]
    assert [p.name for p in folder.glob("deep/*.txt")] == ["file.txt"] and list(folder.glob("deep/*.png")) == []
    assert sorted(folder.walk()) == [path, folder / "new.txt"]
    files.remove(folder / "deep")
    assert list(folder.walk()) == [folder / "new.txt"]
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    with pytest.raises(FileNotFoundError):
        path.unlink()


def test_a_store_that_says_what_is_a_folder_is_not_asked_of_each(folder, monkeypatch):
    for name in ("a.png", "deep/b.png", "deep/c", "deep/er/d.png"):
        (folder / name).write_bytes(b"x")
    asked = []
    monkeypatch.setattr(StorePath, "is_file", lambda path: asked.append(path) or path._info() is not None)
    assert list(folder.entries()) == [("a.png", False), ("deep", True)]
    assert [str(path.relative_to(folder)) for path in folder.walk()] == [
        "a.png",
        "deep/b.png",
        "deep/c",
        "deep/er/d.png",
    ]
    assert bool(asked) is not str(folder).startswith("memory://")
    # As TensorFlow lists gs://.
    listings = {folder: ["a.png", "deep/"], folder / "deep": ["c", "b.png"]}
    monkeypatch.setattr(tf.io.gfile, "listdir", lambda name: listings[to_path(name)])
    monkeypatch.setitem(stores._KNOWN, str(folder).partition(":")[0], stores._TensorFlowStore(marks_folders=True))
    asked.clear()
    monkeypatch.setattr(StorePath, "read_bytes", lambda path: b"")  # no roster
    assert [str(path.relative_to(folder)) for path in folder.walk()] == ["a.png", "deep/b.png", "deep/c"] and not asked


def test_a_set_of_files_is_published_renamed_and_copied_as_a_whole(folder):
    files.write_atomic(folder / "there before", b"x")
    with files.atomic_path(folder / "set") as temporary:
        (temporary / "below").mkdir(parents=True)
        (temporary / "a").write_bytes(b"1")
        (temporary / "below" / "b").write_bytes(b"2")
    (folder / "half" / "a").write_bytes(b"3")  # of a process that was killed
    assert sorted(files.published(folder)) == ["set", "there before"]
    assert [path.name for path in files.unpublished(folder)] == ["half"]
    files.rename(folder / "set", "other")
    assert sorted(files.published(folder)) == ["other", "there before"]
    with files.local_copy(folder / "other") as copy:
        assert {str(f.relative_to(copy)): f.read_bytes() for f in copy.rglob("*") if f.is_file()} == {
            "a": b"1",
            "below/b": b"2",
        }
    files.withdraw(folder)
    assert files.published(folder) == [] and list(folder.walk()) == []


def test_a_set_whose_writing_fails_is_not_published(folder):
    with pytest.raises(KeyError), files.atomic_path(folder / "set") as temporary:
        temporary.mkdir()
        raise KeyError
    assert files.published(folder) == []


def test_copies_are_kept_and_made_anew_of_another_version(folder, tmp_path, capsys):
    path = folder / "data.tfrecord"
    path.write_bytes(b"first")
    (copy,) = files_of = copies.kept_copies([path])
    assert copy.read_bytes() == b"first" and copy.name == path.name and copy.is_relative_to(tmp_path)
    assert "copying 1 files of" in capsys.readouterr().err
    if not str(path).startswith("ram"):  # whose files have no time
        assert copies.kept_copies([path]) == files_of and capsys.readouterr().err == ""
    path.write_bytes(b"again")
    (copy,) = copies.kept_copies([path])
    assert copy.read_bytes() == b"again"
    with pytest.raises(UserError, match=r"cannot read .*missing"):
        copies.kept_copies([folder / "missing"])


@pytest.mark.parametrize("name", ["nosuch://bucket/file", "s3://bucket/file"])
def test_a_store_that_nothing_knows_is_a_mistake(name):
    with pytest.raises(
        UserError, match=f"^{name.split(':')[0]}:// is no file system that TensorFlow knows, nor fsspec"
    ):
        to_path(name).exists()


def test_what_a_store_says_becomes_the_users(monkeypatch):
    def refuse(*args, **options):
        raise tf.errors.PermissionDeniedError(None, None, "the bucket is another's")

    monkeypatch.setattr(tf.io.gfile, "copy", refuse)
    with pytest.raises(UserError, match=r"^cannot write ram://bucket/file: the bucket is another's$"):
        files.write_atomic(to_path("ram://bucket/file"), b"")


def test_a_lease_is_one_processs_and_ends(tmp_path, monkeypatch):
    """Two leases of one process are as strange to each other as those of two."""
    monkeypatch.setitem(stores._KNOWN, "late", LateStore(tmp_path / "store"))
    path, terms = to_path("late://runs/.lock"), lease.Terms(length=60, settle=0)
    with lease.lease(path, "busy", terms) as check:
        check()
        held = r"^busy \(process \d+ of .* holds late://runs/.lock for another \d+ s"
        with pytest.raises(UserError, match=held), lease.lease(path, "busy", terms):
            pass
        path.unlink()
        check()  # nobody has taken it: it is written again
        assert path.is_file()
    assert not path.exists()
    with lease.lease(path, "busy", lease.Terms(length=0.4, settle=0)) as check:
        first = path.read_bytes()
        while path.read_bytes() == first:  # until the thread has renewed it
            pass
        check()
