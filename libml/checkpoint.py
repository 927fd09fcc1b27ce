"""Checkpoints: each a folder of its own, tf/ckpt-{nimg}, that appears whole under its name or not at all."""

import os
import re
import sys
from pathlib import Path

import tensorflow as tf

from libml.errors import UserError
from libml.files import atomic_path, remove, user_errors
from libml.tfio import os_errors

_PREFIX = "model"


class DamagedCheckpointError(UserError):
    """A checkpoint whose files cannot be read."""


def path_of(folder: Path, nimg: int) -> Path:
    """Where the checkpoint at nimg lives below a run's tf folder."""
    return folder / f"ckpt-{nimg:010d}"


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
        DamagedCheckpointError: if its files are missing, cut short or corrupt.
        UserError: if it belongs to another configuration.
    """
    try:
        status = checkpoint.read(str(path / _PREFIX))
        if partial:
            status.assert_existing_objects_matched()
            status.expect_partial()
        else:
            status.assert_consumed()
    except (tf.errors.OpError, IndexError, RuntimeError) as e:  # IndexError: a file cut short
        reason = str(e).splitlines()[0][:200]
        raise DamagedCheckpointError(f"checkpoint {path} is damaged ({reason}); remove that folder") from e
    except (AssertionError, ValueError) as e:
        reason = str(e).splitlines()[0][:200]
        raise UserError(f"checkpoint {path} is of another configuration ({reason}): use the run's own flags") from e


class Checkpoints:
    """The last few checkpoints of a run."""

    def __init__(self, folder: Path, checkpoint: tf.train.Checkpoint, keep: int = 3):
        """Args: the run's tf folder; what to save; how many to keep."""
        self.folder, self.checkpoint, self.keep = folder, checkpoint, keep

    def restore_latest(self) -> int | None:
        """Restores the newest checkpoint that can be read; its nimg, or None if there never was one.

        Damaged ones are put aside under another name, and said so.

        Raises:
            UserError: if there are only damaged ones, or one of another configuration.
        """
        for leftover in self.folder.glob(".ckpt-*.tmp*"):  # of a process killed while saving
            remove(leftover)
        found = list_checkpoints(self.folder)
        for nimg, path in reversed(found):
            try:
                restore(path, self.checkpoint)
                return nimg
            except DamagedCheckpointError as e:
                aside = path.with_name(f"damaged-{path.name}")
                remove(aside)
                with user_errors(path, "put aside"):
                    os.replace(path, aside)
                print(f"{e}: put aside as {aside.name}, going back to the one before", file=sys.stderr)
        if found:
            raise UserError(f"no checkpoint of {self.folder.parent} can be read: --reset starts the run over")
        return None

    def save(self, nimg: int) -> Path:
        """Saves, then drops the oldest beyond `keep`.

        Raises:
            UserError: if the file system refuses; older checkpoints stay.
        """
        path = path_of(self.folder, nimg)
        if path.exists():  # same position, same state
            return path
        with atomic_path(path) as temporary, os_errors():
            temporary.mkdir(parents=True)
            self.checkpoint.write(str(temporary / _PREFIX))
        for _, old in list_checkpoints(self.folder)[: -self.keep]:
            remove(old)
        return path


def of_run(run: str | Path, nimg: int | None = None) -> tuple[int, Path]:
    """(nimg, folder) of a run's newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if the run has none, or not that one.
    """
    found = list_checkpoints(Path(run) / "tf")
    if not found:
        raise UserError(f"{run} has no checkpoint yet: train it first")
    if nimg is None:
        return found[-1]
    kept = dict(found)
    if nimg not in kept:
        raise UserError(f"{run} has no checkpoint after {nimg} images: those it has are after {sorted(kept)}")
    return nimg, kept[nimg]
