"""Checkpoints: each a folder of its own, tf/ckpt-{nimg}, that appears whole under its name or not at all."""

import re
import sys
from pathlib import Path

import tensorflow as tf

from libml.errors import UserError, reason
from libml.system.files import atomic_path, discard, local_copy, published, remove, rename, unpublished, user_errors
from libml.system.store_path import StorePath, to_path
from libml.system.tfio import os_errors
from libml.training.run_folder import RunFolder

KEPT = 3  # checkpoints of a run
_PREFIX = "model"
_DAMAGED = "damaged-"

# What TensorFlow raises for files that are short or garbled: one of these classes, or any with such words.
_DAMAGES = (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.OutOfRangeError, IndexError)
_DAMAGE_WORDS = re.compile("too short|truncated|less bytes|bad (magic|block|table)|checksum|corrupt", re.I)


class Clock(tf.Module):
    """Where a run is: images seen, records consumed, and the seed that both belong to."""

    def __init__(self, seed: int):
        super().__init__(name="clock")
        self.nimg = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.data_position = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.seed = tf.Variable(seed, dtype=tf.int64, trainable=False)


class DamagedCheckpointError(UserError):
    """A checkpoint whose files cannot be read."""


def path_of(folder: Path, nimg: int) -> Path:
    """Where the checkpoint at nimg lives below a run's tf folder."""
    return folder / f"ckpt-{nimg:010d}"


def list_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """(nimg, folder) of the checkpoints of a run's tf folder, oldest first.

    Raises:
        UserError: if the folder cannot be read.
    """
    matches = (re.fullmatch(r"ckpt-(\d+)", name) for name in published(folder))
    return sorted((int(match[1]), folder / match[0]) for match in matches if match)


def _check_files(path: Path, copy: Path) -> None:
    """Opens a checkpoint's files and reads its index: TensorFlow reports a file that it may not read as a damaged one.

    Args:
        path: what the checkpoint is called.
        copy: where its files are.

    Raises:
        DamagedCheckpointError: if a file is missing.
        UserError: if one cannot be read.
    """
    names = published(copy)
    if f"{_PREFIX}.index" not in names or not any(name.startswith(f"{_PREFIX}.data-") for name in names):
        raise DamagedCheckpointError(f"checkpoint {path} is damaged (a file is missing); remove that folder")
    for name in names:
        with user_errors(path / name, "read"), (copy / name).open("rb") as file:
            file.read(None if name.endswith(".index") else 1)


def restore(path: Path, checkpoint: tf.train.Checkpoint, partial: bool = False) -> None:
    """Reads a checkpoint folder into the objects; with partial=True some of its values may stay unread.

    Raises:
        DamagedCheckpointError: if its files are missing, cut short or corrupt.
        UserError: if it belongs to another configuration, or cannot be read at present.
    """
    with user_errors(path, "read"), local_copy(path) as copy:
        _check_files(path, copy)
        _read(path, copy, checkpoint, partial)


def _read(path: Path, copy: Path, checkpoint: tf.train.Checkpoint, partial: bool) -> None:
    try:
        status = checkpoint.read(str(copy / _PREFIX))
        if partial:
            status.assert_existing_objects_matched()
            status.expect_partial()
        else:
            status.assert_consumed()
    except (tf.errors.OpError, IndexError, RuntimeError) as e:
        if isinstance(e, _DAMAGES) or _DAMAGE_WORDS.search(reason(e)):
            raise DamagedCheckpointError(f"checkpoint {path} is damaged ({reason(e)}); remove that folder") from e
        raise UserError(f"cannot read checkpoint {path} ({reason(e)}): it is left as it is") from e
    except (AssertionError, ValueError) as e:
        raise UserError(f"checkpoint {path} is of another configuration ({reason(e)}): use the run's own flags") from e


class Checkpoints:
    """The last few checkpoints of a run."""

    def __init__(self, folder: Path, checkpoint: tf.train.Checkpoint):
        """Args: the run's tf folder; what to save."""
        self.folder, self.checkpoint = folder, checkpoint
        self._unremovable: set[Path] = set()

    def restore_latest(self) -> int | None:
        """Restores the newest checkpoint that is whole; its nimg, or None if there never was one.

        Newer checkpoints that are damaged are then renamed, with a message.

        Raises:
            UserError: if there are only damaged ones, or one is of another configuration or cannot be read at present.
                Nothing is changed then.
        """
        restored, damaged = None, []
        for nimg, path in reversed(list_checkpoints(self.folder)):
            try:
                restore(path, self.checkpoint)
                restored = nimg
                break
            except DamagedCheckpointError as e:
                damaged.append((path, e))
        if restored is None:
            self._refuse_damaged()
        for path, error in damaged:
            self._put_aside(path, error)
        self._discard_unfinished()
        return restored

    def _refuse_damaged(self) -> None:
        """Refuses a run whose checkpoints are all damaged: it would start anew, and lose its history."""
        names = sorted(name for name in published(self.folder) if name.startswith(("ckpt-", f"{_DAMAGED}ckpt-")))
        if names:
            raise UserError(
                f"no checkpoint of {self.folder.parent} can be read: {', '.join(names)} in {self.folder.name} "
                "are damaged; put back a copy as ckpt-NUMBER, or start over with --reset"
            )

    def _put_aside(self, path: Path, error: DamagedCheckpointError) -> None:
        aside = path.with_name(f"{_DAMAGED}{path.name}")
        remove(aside)
        rename(path, aside.name)
        print(f"{error}: put aside as {aside.name}, going back to the one before", file=sys.stderr)

    def save(self, nimg: int) -> Path:
        """Saves, then drops the oldest beyond KEPT; one that cannot be removed stays, with a warning.

        Raises:
            UserError: if the file system refuses; older checkpoints stay.
        """
        path = path_of(self.folder, nimg)
        if path.name not in published(self.folder):  # else same position, same state
            self._write(path)
        for _, old in list_checkpoints(self.folder)[:-KEPT]:
            self._drop(old)
        return path

    def save_alone(self, nimg: int) -> Path:
        """Saves, then drops all others: also newer ones, and one of this position, of a run that has gone back.

        Raises:
            UserError: if the file system refuses.
        """
        path = path_of(self.folder, nimg)
        self._discard_unfinished()
        if path.name in published(self.folder):
            remove(path)
        self._write(path)
        for _, other in list_checkpoints(self.folder):
            if other != path:
                self._drop(other)
        return path

    def _write(self, path: Path) -> None:
        with atomic_path(path) as temporary, os_errors():
            temporary.mkdir(parents=True)
            self.checkpoint.write(str(temporary / _PREFIX))

    def _discard_unfinished(self) -> None:
        """Removes what a process left that was killed while saving."""
        for path in unpublished(self.folder):
            if re.match(r"\.ckpt-.*\.tmp|ckpt-", path.name):
                discard(path)

    def _drop(self, path: Path) -> None:
        try:
            remove(path)
        except UserError as e:
            if path not in self._unremovable:
                print(f"warning: {e}; checkpoints that stay fill the disk", file=sys.stderr)
            self._unremovable.add(path)


def of_run(run: str | Path | StorePath, nimg: int | None = None) -> tuple[int, Path]:
    """(nimg, folder) of a run's newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if the run has none, or not that one.
    """
    found = list_checkpoints(RunFolder(to_path(run)).checkpoints)
    if not found:
        raise UserError(f"{run} has no checkpoint yet: train it first")
    if nimg is None:
        return found[-1]
    kept = dict(found)
    if nimg not in kept:
        raise UserError(f"{run} has no checkpoint after {nimg} images: those it has are after {sorted(kept)}")
    return nimg, kept[nimg]
