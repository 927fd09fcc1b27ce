"""What a run tells the world: TensorBoard events and metrics.jsonl, both by kimg, without double or missing points."""

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import Message
from tensorflow.core.util import event_pb2

from libml.errors import UserError
from libml.system.files import append, atomic_path, flush_tree, local_copy, user_errors
from libml.system.outbox import Outbox
from libml.system.tfio import os_errors
from libml.training import dashboard
from libml.training.run_folder import RunFolder


def events(path: Path) -> list[event_pb2.Event]:
    """The events of a TensorBoard file, up to where a crash may have cut it."""
    found = []
    with local_copy(path) as copy:
        try:
            for record in tf.data.TFRecordDataset(str(copy)):
                found.append(event_pb2.Event.FromString(record.numpy()))
        except tf.errors.DataLossError:
            pass  # the tail that a killed process had not finished writing
    return found


class SummaryWriter:
    """Writes scalars, images and texts of one run. A resumed run first loses what lies beyond its checkpoint."""

    def __init__(self, folder: Path, kimg: int | None):
        """Opens the events and the lines of a run's folder.

        Args:
            folder: of the run.
            kimg: last kimg that the run's checkpoint knows of; None for a run from scratch.
        """
        files = RunFolder(folder)
        self._jsonl, self._directory, self._laid_out = files.metrics, files.summaries, False
        with self._writing():
            self._directory.mkdir(parents=True, exist_ok=True)
            self._take_back(files.event_files(), -1 if kimg is None else kimg)
            self._outbox = Outbox(self._directory)
            self._opened: tf.summary.SummaryWriter | None = self._open()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with user_errors(self._directory), os_errors():
            yield

    def _open(self) -> tf.summary.SummaryWriter:
        return tf.summary.create_file_writer(str(self._outbox.folder))

    @property
    def _writer(self) -> tf.summary.SummaryWriter:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _take_back(self, event_files: list[Path], kimg: int) -> None:
        for path in event_files:
            before = events(path)
            kept = [e for e in before if e.step <= kimg]
            self._laid_out |= any(dashboard.is_layout(value.tag) for e in kept for value in e.summary.value)
            if len(kept) == len(before) and path.stat().st_size:
                continue
            with atomic_path(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
                for event in kept:
                    writer.write(event.SerializeToString())
        if self._jsonl.exists():
            kept = [line for line in self._jsonl.read_text(errors="replace").splitlines() if _kimg(line) <= kimg]
            with atomic_path(self._jsonl) as temporary:
                temporary.write_text("".join(f"{line}\n" for line in kept))

    def scalars(self, kimg: int, values: Mapping[str, float]) -> None:
        """Writes values by name; metrics.jsonl gets one line of them."""
        with self._writing(), self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=kimg, description=dashboard.meaning(name))
        append(self._jsonl, json.dumps({"kimg": kimg, **values}) + "\n")

    def image(self, kimg: int, name: str, image: np.ndarray) -> None:
        """Writes a picture, uint8 [H, W, C]."""
        with self._writing(), self._writer.as_default():
            tf.summary.image(name, image[None], step=kimg, description=dashboard.meaning(name))

    def layout(self, kimg: int, tags: Collection[str]) -> None:
        """Writes which of a run's scalars are shown together, if that has not been written yet."""
        if not self._laid_out:
            self._raw(kimg, dashboard.layout(tags))
            self._laid_out = True

    def parameters(self, kimg: int, values: Mapping[str, Any]) -> None:
        """Writes a table of parameters as text, and as hyperparameters."""
        rows = "\n".join(f"|{name}|{value}|" for name, value in values.items())
        with self._writing(), self._writer.as_default():
            tf.summary.text("parameters", f"|flag|value|\n|-|-|\n{rows}", step=kimg)
        self._raw(kimg, dashboard.hyperparameters(values))

    def _raw(self, kimg: int, summary: Message) -> None:
        with self._writing(), self._writer.as_default():
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=kimg)

    def flush(self) -> None:
        """Makes everything written so far visible to others, and waits until it is on the disk."""
        with self._writing():
            if self._outbox.whole_files:  # the next event begins another file
                self._close()
            else:
                self._writer.flush()
        flush_tree(self._directory)
        if self._jsonl.exists():
            flush_tree(self._jsonl)

    def close(self) -> None:
        """Flushes and closes."""
        with self._writing():
            self._close()

    def _close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
        self._outbox.send()

    def __enter__(self) -> "SummaryWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            self.close()
        except UserError:
            if error is None:  # a full disk has been reported once already
                raise


def _kimg(line: str) -> float:
    try:
        return json.loads(line)["kimg"]
    except (ValueError, KeyError, TypeError):  # a line that a killed process had not finished
        return float("inf")
