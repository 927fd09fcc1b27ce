"""Files that are whole or not there, even after a power cut; locks; removing."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from libml.errors import UserError, printable, reason
from libml.system import files
from tests.support import ROOT


@pytest.fixture
def disk(monkeypatch):
    """What a power cut would leave: records flushes and renames, and checks each rename's source was flushed."""
    events = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(handle):
        events.append(("flush", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def recorded_replace(source, target):
        events.append(("rename", str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return events


def hidden(folder: Path) -> list[str]:
    return [f.name for f in folder.iterdir() if f.name.startswith(".")]


def test_a_file_is_flushed_before_it_has_its_name_and_its_folder_after(tmp_path, disk):
    files.write_atomic(tmp_path / "a.txt", b"one")
    (first, temporary), renamed, last = disk
    assert first == "flush" and Path(temporary).parent == tmp_path and Path(temporary).name.startswith(".a.txt.tmp")
    assert [renamed, last] == [("rename", str(tmp_path / "a.txt")), ("flush", str(tmp_path))]
    assert (tmp_path / "a.txt").read_bytes() == b"one" and not hidden(tmp_path)


def test_all_files_of_a_folder_are_flushed_before_it_has_its_name(tmp_path, disk):
    with files.atomic_path(tmp_path / "export") as temporary:
        (temporary / "deep").mkdir(parents=True)
        (temporary / "a").touch(), (temporary / "deep" / "b").touch()
        (temporary / "link").symlink_to("nowhere")
    at = disk.index(("rename", str(tmp_path / "export")))
    flushed = {os.path.relpath(name, temporary) for _, name in disk[:at]}
    assert flushed == {"a", "deep/b", "deep", "."}
    assert disk[at + 1 :] == [("flush", str(tmp_path))]


def test_a_disk_that_fails_to_flush_publishes_nothing(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def broken(handle):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(UserError, match=r"cannot write .*/a: Input/output error"):
        files.write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_text() == "old" and not hidden(tmp_path)


def test_a_file_system_that_flushes_no_folders_will_do(tmp_path, monkeypatch):
    fsync = os.fsync

    def picky(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", picky)
    files.write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_two_writers_with_the_same_process_id_do_not_meet(tmp_path):
    with files.atomic_path(tmp_path / "a") as first:
        first.write_text("first")
        with files.atomic_path(tmp_path / "a") as second:
            second.write_text("second")
    assert (tmp_path / "a").read_text() == "first" and not hidden(tmp_path)


@pytest.mark.parametrize("name", ["a" * 250, "猫" * 83], ids=["ascii", "utf-8"])
def test_names_as_long_as_a_file_system_takes_are_written(tmp_path, name):
    files.write_atomic(tmp_path / name, b"x")
    assert [f.name for f in tmp_path.iterdir()] == [name]


LONG = "猫" * 90


@pytest.mark.parametrize(
    "name, reason", [(LONG, "File name too long"), ("file/below", "Not a directory|exists")], ids=["long", "below"]
)
def test_what_cannot_be_written_is_the_users_mistake(tmp_path, name, reason):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=reason):
        files.write_atomic(tmp_path / name, b"x")
    assert [f.name for f in tmp_path.iterdir()] == ["file"]


def test_no_device_is_replaced(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    for name in ("pipe", ".", ""):
        with pytest.raises(UserError, match="no regular file"):
            files.write_atomic(name, b"x")
    assert [f.name for f in tmp_path.iterdir()] == ["pipe"] and (tmp_path / "pipe").is_fifo()


def test_an_error_outlives_the_removal_of_what_was_begun(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "refused")

    monkeypatch.setattr(os, "remove", refused)
    with pytest.raises(KeyError, match="the reason"), files.atomic_path(tmp_path / "a") as temporary:
        temporary.touch()
        raise KeyError("the reason")


@pytest.fixture
def stuck(tmp_path, monkeypatch):
    """A folder with a file that cannot be removed, as one of another user."""
    place = tmp_path / "tree"
    (place / "deep").mkdir(parents=True)
    for name in ("a", "deep/mine", "z"):
        (place / name).touch()
    unlink = os.unlink

    def refuse(path, *args, **options):
        if os.path.basename(path) == "mine":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        unlink(path, *args, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    return place


def test_removing_says_what_stays_and_removes_the_rest(stuck):
    with pytest.raises(UserError, match=r"cannot remove .*/tree: Permission denied"):
        files.remove(stuck)
    assert sorted(str(f.relative_to(stuck)) for f in stuck.rglob("*")) == ["deep", "deep/mine"]


def test_discarding_says_nothing(stuck):
    files.discard(stuck)
    assert sorted(str(f.relative_to(stuck)) for f in stuck.rglob("*")) == ["deep", "deep/mine"]


def test_what_is_not_there_is_removed(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("none", "file", "file/below", "link"):
        files.remove(tmp_path / name)
        files.discard(tmp_path / name)
    assert tmp_path.is_dir() and not list(tmp_path.iterdir())


def hold(path: Path) -> subprocess.Popen:
    """Another process that holds a lock until it is killed."""
    code = """if True:
        import sys
        from libml.system.files import lock_file
        with lock_file(sys.argv[1], "busy"):
            print("held", flush=True)
            input()
        """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, **pipes)
    assert other.stdout.readline() == "held\n"
    return other


def test_a_lock_is_one_processs_and_ends_with_it(tmp_path):
    path = tmp_path / "new" / ".lock"
    with hold(path) as other:
        for _ in range(2):
            with (
                pytest.raises(UserError, match="someone works here"),
                files.lock_file(path, "someone works here"),
            ):
                raise AssertionError("both hold it")
        other.kill()
    with files.lock_file(path, "busy"):
        assert path.exists()
        with pytest.raises(UserError, match="busy"), files.lock_file(path, "busy"):
            raise AssertionError("both hold it")
    assert not list(path.parent.iterdir())


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    path, flock = tmp_path / ".lock", fcntl.flock

    def slow(handle, how):
        monkeypatch.undo()
        path.unlink()  # as its holder does in the end, between our opening and locking it
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with files.lock_file(path, "busy"), pytest.raises(UserError, match="busy"), files.lock_file(path, "busy"):
        raise AssertionError("both hold it")


def test_locks_hold_where_only_files_that_are_open_for_writing_can_be_locked(tmp_path, monkeypatch):
    flock = fcntl.flock

    def nfs(handle, how):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", nfs)
    path = tmp_path / ".lock"
    with files.lock_file(path, "busy"), pytest.raises(UserError, match="busy"), files.lock_file(path, "busy"):
        raise AssertionError("both hold it")


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_warned_of_once(tmp_path, monkeypatch, capsys, number):
    def none(handle, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    for _ in range(2):
        with files.lock_file(tmp_path / ".lock", "busy"):
            pass
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith(f"warning: {tmp_path} is on a file system without locks")


def test_a_folder_that_takes_no_lock_file_is_the_users_mistake(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"), files.lock_file(tmp_path / "file" / ".lock", "busy"):
        pass


def test_messages_are_one_line_that_can_be_printed():
    assert str(UserError("no new\nline\r\x1b[2J \udcff in ünï_猫")) == r"no new\nline\r\x1b[2J \udcff in ünï_猫"
    assert printable("a\u2028b\u202e") == r"a\u2028b\u202e"
    assert str(UserError("plain")) == "plain"


@pytest.mark.parametrize(
    "error, said",
    [
        (ValueError("bad\nTraceback of another kind"), "bad"),
        (ValueError("\n  bad  \n"), "bad"),
        (ValueError(""), "ValueError"),
        (KeyError(), "KeyError"),
        (ValueError(5), "5"),
        (ValueError("x" * 999), "x" * 200),
        (
            tf.errors.DataLossError(None, None, "{{function_node __a}} {{node b}} corrupted\n\t [[c]] [Op:D]"),
            "corrupted",
        ),
    ],
)
def test_another_error_is_one_short_line(error, said):
    assert reason(error) == said
