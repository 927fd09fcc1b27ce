"""Making a dataset appear whole or not at all.

It is built in a hidden folder inside the data folder. When all is there and on the disk, that folder is renamed to
.{name}.ready and its files are moved to their places, the manifest last. A program killed while building leaves a
folder that the next run removes; one killed while moving leaves .{name}.ready, and the next run finishes the moving.
Whoever removes or moves anything holds the lock .{name}.lock.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from libml.datasets import catalogue, manifest
from libml.errors import UserError
from libml.system import files, store_path
from libml.system.files import user_errors
from libml.system.store_path import StorePath
from libml.system.tfio import os_errors

SHARD_BYTES = 1 << 28


def shard_names(name: str, split: str, shards: int) -> list[str]:
    """{name}-{split}.tfrecord, or numbered names for several shards."""
    if shards == 1:
        return [f"{name}-{split}.tfrecord"]
    return [f"{name}-{split}-{i:05d}-of-{shards:05d}.tfrecord" for i in range(shards)]


class SplitWriter:
    """Writes a split's records to shards that are named when the split is complete."""

    def __init__(self, folder: Path, split: str, new_shard: Callable[[int, int], bool] | None = None):
        """Writes into `folder`.

        Args:
            folder: of the build.
            split: its name.
            new_shard: from the records written so far and the bytes of the current shard, whether the next record
                starts another one; by default, when a shard has SHARD_BYTES.
        """
        self.folder, self.split = folder, split
        self._new_shard = new_shard or (lambda records, size: size >= SHARD_BYTES)
        self._counts: list[int] = []
        self._writer: tf.io.TFRecordWriter | None = None
        self._bytes = 0

    @property
    def records(self) -> int:
        """Written so far."""
        return sum(self._counts)

    @property
    def shards(self) -> int:
        """Begun so far."""
        return len(self._counts)

    def write(self, record: bytes) -> None:
        """Appends one serialized tf.train.Example.

        Raises:
            UserError: if the file system refuses.
        """
        with _writing(self.folder):
            if self._writer is None or self._new_shard(self.records, self._bytes):
                self._close()
                self._writer = tf.io.TFRecordWriter(str(self._part(len(self._counts))))
                self._counts.append(0)
                self._bytes = 0
            self._writer.write(record)
        self._counts[-1] += 1
        self._bytes += len(record) + 16  # length, two checksums

    def finish(self, names: Callable[[int], list[str]]) -> dict[str, Any]:
        """Closes and names the shards.

        Args:
            names: from the number of shards, their names below the data folder.

        Returns:
            The manifest's entry: images, and files with records, bytes and sha256.
        """
        with _writing(self.folder):
            self._close()
            entries = []
            for i, (name, records) in enumerate(zip(names(len(self._counts)), self._counts, strict=True)):
                place = self.folder / name
                place.parent.mkdir(exist_ok=True)
                os.replace(self._part(i), place)
                size = place.stat().st_size
                entries.append({"file": name, "records": records, "bytes": size, "sha256": sha256(place)})
        return {"images": self.records, "files": entries}

    def abandon(self) -> None:
        """Closes the file that is open."""
        with contextlib.suppress(tf.errors.OpError):
            self._close()

    def _part(self, index: int) -> Path:
        return self.folder / f"{self.split}.{index}.part"

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    with user_errors(folder.parent, "write into"), os_errors():
        yield


def sha256(file: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@contextlib.contextmanager
def building(data_dir: Path, name: str) -> Iterator[Path]:
    """An empty hidden folder to build a dataset in, removed in the end; what `publish` took away stays.

    Finishes first what an earlier run left ready: ask `already_complete` again.

    Raises:
        UserError: if the file system refuses, or another program is building the same set.
    """
    if isinstance(data_dir, StorePath):
        with _locked(data_dir, name), tempfile.TemporaryDirectory(prefix="lag-") as temporary:
            yield Path(temporary)
        return
    folder = data_dir / f".{name}.building"
    with _locked(data_dir, name):
        _move_ready(data_dir, name)
        try:
            files.remove(folder)
            with user_errors(folder):
                folder.mkdir()
            yield folder
        finally:
            files.discard(folder)


def _locked(data_dir: Path, name: str) -> contextlib.AbstractContextManager[None]:
    busy = f"another program is making {name} in {data_dir}: wait until it has ended"
    return files.lock_file(data_dir / f".{name}.lock", busy)


def publish(folder: Path, data_dir: Path, content: dict[str, Any]) -> None:
    """Writes the manifest into a build's folder and moves all of it into the data folder.

    Raises:
        UserError: if the file system refuses.
    """
    name = content["name"]
    with user_errors(data_dir, "write into"):
        manifest.path(folder, name).write_bytes(manifest.encode(content))
    if isinstance(data_dir, StorePath):
        _send(folder, data_dir, content)
        return
    files.publish(folder, manifest.ready(data_dir, name))
    _move_ready(data_dir, name)


def _send(folder: Path, data_dir: StorePath, content: dict[str, Any]) -> None:
    """Copies a build's files to a store, replacing an older set of that name; the manifest comes last."""
    last = manifest.path(folder, content["name"])
    names = [str(file.relative_to(folder)) for file in sorted(folder.rglob("*")) if file.is_file() and file != last]
    with user_errors(data_dir, "write into"):
        _remove_old(data_dir, content)
        for name in names:
            files.publish(folder / name, data_dir / name)
        store_path.enroll(data_dir, {name: [] for name in (*names, last.name) if "/" not in name})
    files.publish(last, manifest.path(data_dir, content["name"]))


def finish_publishing(data_dir: Path, name: str) -> None:
    """Moves into place what an earlier run had ready when it was killed.

    Raises:
        UserError: if the file system refuses, or another program is at it.
    """
    if manifest.ready(data_dir, name).is_dir():  # else there is no need to write into the folder
        with _locked(data_dir, name):
            _move_ready(data_dir, name)


def _move_ready(data_dir: Path, name: str) -> None:
    """Moves what is ready into place, replacing an older set of that name; under the lock."""
    ready = manifest.ready(data_dir, name)
    if not ready.is_dir():
        return
    content = manifest.load(ready, name)
    if content is None and manifest.path(ready, name).exists():
        raise UserError(f"{manifest.path(ready, name)} is damaged: remove {ready} and make the dataset again")
    if content is not None:  # else it was moved already, and nothing is left here
        with user_errors(data_dir, "write into"):
            _remove_old(data_dir, content)
            moved = {f: data_dir / f.relative_to(ready) for f in sorted(ready.rglob("*")) if f.is_file()}
            last = manifest.path(ready, name)
            place = moved.pop(last)
            for folder in {p.parent for p in moved.values()}:
                folder.mkdir(exist_ok=True)
            for file, target in moved.items():
                os.replace(file, target)
            for folder in {data_dir, *(p.parent for p in moved.values())}:
                files.flush(folder)
        files.publish(last, place)
    files.remove(ready)


def _remove_old(data_dir: Path, content: dict[str, Any]) -> None:
    """Removes an older set's manifest, and those of its files that the new one will not replace."""
    last = manifest.path(data_dir, content["name"])
    last.unlink(missing_ok=True)
    files.flush_names(data_dir)
    new = {data_dir / shard["file"] for shard in manifest.files(content)}
    gone = set(present_files(data_dir, content["name"], content["splits"])) - new
    for old in gone:
        old.unlink(missing_ok=True)  # a roster may name what an earlier run removed
    if isinstance(data_dir, StorePath):
        store_path.strike(data_dir, last.name, *(old.name for old in gone))


def present_files(data_dir: Path, name: str, splits: list[str]) -> list[Path]:
    """A dataset's TFRecord files in the data folder, by their names."""
    patterns = [pattern for split in splits for pattern in catalogue.file_patterns(name, split)]
    return sorted(f for pattern in patterns for f in data_dir.glob(pattern))


def already_complete(data_dir: Path, name: str, splits: list[str], made_from: dict[str, Any], overwrite: bool) -> bool:
    """Whether there is nothing to do, after finishing what an earlier run left ready.

    Args:
        data_dir: the data folder.
        name: of the dataset.
        splits: their names.
        made_from: entries that the manifest must have to be of the same make.
        overwrite: make it again whatever is there.

    Raises:
        UserError: if files are in the way.
    """
    finish_publishing(data_dir, name)
    if overwrite:
        return False
    content = manifest.load(data_dir, name)
    again = "--overwrite makes it again"
    if content is None:
        if manifest.path(data_dir, name).exists():
            raise UserError(f"{manifest.path(data_dir, name)} is in the way, and no manifest: move it elsewhere")
        if found := present_files(data_dir, name, splits):
            raise UserError(f"{found[0]} is in the way, and was not made by this program: move it; or {again}")
        return False
    if wrong := manifest.incomplete(content, data_dir):
        raise UserError(f"{name} is damaged: {wrong}; {again}")
    for key, value in made_from.items():
        if (there := content.get(key)) != value:
            raise UserError(
                f"{name} is there, made with {key} {_short(there, value)}, not {_short(value, there)}: "
                f"{again}, and --name would give this one another name"
            )
    return True


def _short(value: Any, other: Any) -> str:
    """A value; of a dictionary what another one has not."""
    if not isinstance(value, dict) or not isinstance(other, dict):
        return str(value)
    return " ".join(f"{k}={v}" for k, v in value.items() if k not in other or other[k] != v) or "without these"
