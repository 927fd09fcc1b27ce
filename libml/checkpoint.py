"""Checkpoints: each a folder of its own, tf/ckpt-{nimg}, that appears whole under its name or not at all."""

import re
from pathlib import Path

import tensorflow as tf

from libml.errors import UserError
from libml.files import atomic_path, remove, user_errors

_PREFIX = "model"


def list_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """(nimg, folder) of the checkpoints of a run's tf folder, oldest first."""
    found = []
    for path in folder.glob("ckpt-*"):
        if match := re.fullmatch(r"ckpt-(\d+)", path.name):
            found.append((int(match[1]), path))
    return sorted(found)


def restore(path: Path, checkpoint: tf.train.Checkpoint, partial: bool = False) -> None:
    """Reads a checkpoint folder into the objects; with partial=True some of its values may stay unread.

    Raises:
        UserError: if it is damaged or belongs to another configuration.
    """
    try:
        status = checkpoint.read(str(path / _PREFIX))
        if partial:
            status.assert_existing_objects_matched()
            status.expect_partial()
        else:
            status.assert_consumed()
    except (tf.errors.OpError, AssertionError, ValueError) as e:
        reason = str(e).splitlines()[0][:200]
        raise UserError(
            f"cannot read checkpoint {path}: {reason}; remove that folder to go on from the one before"
        ) from e


class Checkpoints:
    """The last few checkpoints of a run."""

    def __init__(self, folder: Path, checkpoint: tf.train.Checkpoint, keep: int = 3):
        """Args: the run's tf folder; what to save; how many to keep."""
        self.folder, self.checkpoint, self.keep = folder, checkpoint, keep

    def restore_latest(self) -> int | None:
        """Restores the newest checkpoint; its nimg, or None if there is none."""
        for leftover in self.folder.glob(".ckpt-*.tmp*"):  # of a process killed while saving
            remove(leftover)
        found = list_checkpoints(self.folder)
        if not found:
            return None
        nimg, path = found[-1]
        restore(path, self.checkpoint)
        return nimg

    def save(self, nimg: int) -> Path:
        """Saves, then drops the oldest beyond `keep`.

        Raises:
            UserError: if the file system refuses; older checkpoints stay.
        """
        path = self.folder / f"ckpt-{nimg:010d}"
        if path.exists():  # same position, same state
            return path
        with user_errors(path, "save"), atomic_path(path) as temporary:
            temporary.mkdir(parents=True)
            try:
                self.checkpoint.write(str(temporary / _PREFIX))
            except tf.errors.OpError as e:
                raise OSError(None, e.message.splitlines()[0]) from e
        for _, old in list_checkpoints(self.folder)[: -self.keep]:
            remove(old)
        return path


def latest(run: Path) -> tuple[int, Path]:
    """(nimg, folder) of a run's newest checkpoint.

    Raises:
        UserError: if the run has none.
    """
    found = list_checkpoints(run / "tf")
    if not found:
        raise UserError(f"{run} has no checkpoint yet: train it first")
    return found[-1]
