"""The training loop of every method: when to step, report, preview, save and stop. It knows no method.

The clock is images seen (nimg). Everything that happens at a position happens there again after an interruption.
"""

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf
import tqdm

from libml import config as run_config
from libml.checkpoint import Checkpoints
from libml.config import RunConfig
from libml.data import Images, reading
from libml.errors import UserError
from libml.files import remove, user_errors
from libml.schedule import KIMG, Phase, Schedule
from libml.summary import SummaryWriter

LIVE_SECONDS = 5.0  # between refreshes of the losses in the progress line; each one waits for the device
Batch = tuple[tf.Tensor, tf.Tensor]
Preview = Callable[[Phase, int], np.ndarray]  # (phase, nimg) -> a picture of fixed test images, [H, W, C] in [-1, 1]


class Method(Protocol):
    """What the loop asks of a method; a tf.Module, whose variables are what a checkpoint holds."""

    schedule: Schedule

    def train_step(self, batch: Batch, phase: Phase, nimg: int) -> None:
        """Trains on one global batch (lores, hires), the images from nimg on."""

    def mean_metrics(self) -> dict[str, float]:
        """Means of the losses since reset_metrics."""

    def reset_metrics(self) -> None:
        """Starts new means."""

    def report(self, batch: Batch, phase: Phase, nimg: int) -> dict[str, float]:
        """Further values for a report, from its last batch."""


class Clock(tf.Module):
    """Where a run is: images seen, records consumed, and the seed that both belong to."""

    def __init__(self, seed: int):
        super().__init__(name="clock")
        self.nimg = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.data_position = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.seed = tf.Variable(seed, dtype=tf.int64, trainable=False)


class Interrupted(SystemExit):
    """The run was asked to stop, and saved itself. Exit status 128 + signal number, as shells have it."""


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of stopping at once; a second one stops at once."""
    received: list[int] = []

    def handle(number, _):
        received.append(number)
        if len(received) > 1:
            os._exit(128 + number)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a run's folder; the lock vanishes with the process, however it ends.

    Raises:
        UserError: if another process holds it, or the folder cannot be written.
    """
    with user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another process is training {folder}: stop it, or use another --train_dir") from None
        yield


def prepare_folder(config: RunConfig, folder: Path, colors: int, reset: bool) -> None:
    """Makes the run's folder and args.json, or checks that what is there is the same run; reset empties it first.

    Raises:
        UserError: if the folder is another run's.
    """
    if reset:
        for name in ("tf", "args", "metrics.jsonl"):
            remove(folder / name)
    if (folder / "args" / "args.json").exists():
        run_config.check_same_run(config, folder)
    run_config.save_args(config, folder, colors=colors)


class ProgressLine:
    """Phase, losses, speed and time left: a live line on a terminal, a plain line at each report elsewhere."""

    def __init__(self, total: int, nimg: int):
        self._live = sys.stderr.isatty()
        self._bar = tqdm.tqdm(
            total=total / KIMG, initial=nimg / KIMG, disable=not self._live, unit="kimg", dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}% {n:.1f}/{total:.0f} kimg [{elapsed}<{remaining}] {postfix}",
        )  # fmt: skip
        self._total, self._start, self._begun, self._shown = total, nimg, time.monotonic(), time.monotonic()

    def due(self) -> bool:
        """Whether a live line wants fresh losses; asking starts the next interval."""
        now = time.monotonic()
        if not self._live or now - self._shown < LIVE_SECONDS:
            return False
        self._shown = now
        return True

    def advance(self, images: int) -> None:
        """Counts images."""
        self._bar.update(images / KIMG)

    def show(self, nimg: int, phase: Phase, values: dict[str, float], plain: bool) -> None:
        """Shows the losses; a plain line too where there is no terminal and `plain` is set."""
        rate = (nimg - self._start) / (time.monotonic() - self._begun)
        losses = " ".join(f"{k} {v:.4g}" for k, v in values.items() if k not in ("lod", "images_per_second"))
        words = f"lod {phase.lod(nimg):.2f} {losses} {rate:.1f} img/s"
        self._bar.set_description_str(f"[{phase}]", refresh=False)
        self._bar.set_postfix_str(words)
        if plain and not self._live:
            left = tqdm.tqdm.format_interval((self._total - nimg) / rate) if rate else "?"
            print(f"[{phase}] {nimg / KIMG:.1f}/{self._total / KIMG:.0f} kimg {words} left {left}", flush=True)

    def close(self) -> None:
        """Ends the line."""
        self._bar.close()


def train(method: Method, config: RunConfig, images: Images, preview: Preview, *, reset: bool = False) -> Path:
    """Trains a method to the end of its schedule, from wherever its folder says it was.

    Args:
        method: what is trained.
        config: its parameters.
        images: the data.
        preview: makes the picture that every checkpoint comes with.
        reset: forget what the folder holds and start over.

    Returns:
        The run's folder.

    Raises:
        UserError: for a folder of another run, damaged data, a full disk.
        Interrupted: after SIGINT or SIGTERM, once saved.
    """
    folder, total = config.folder, method.schedule.total
    clock = Clock(config.seed)
    with locked(folder):
        prepare_folder(config, folder, images.dataset.colors, reset)
        checkpoints = Checkpoints(folder / "tf", tf.train.Checkpoint(method=method, clock=clock))
        restored = checkpoints.restore_latest()
        nimg = int(clock.nimg)
        if nimg >= total:
            print(f"{folder} is complete: {nimg / KIMG:g} of {total / KIMG:g} kimg")
            return folder
        print(f"{'starting' if restored is None else 'going on with'} {folder} at {nimg / KIMG:g} kimg", flush=True)
        summary = SummaryWriter(folder, None if restored is None else nimg // KIMG)
        if restored is None:
            summary.parameters(0, config.to_json())
        progress = ProgressLine(total, nimg)
        try:
            _loop(method, config, images, preview, clock, checkpoints, summary, progress)
        finally:
            progress.close()
            summary.close()
    return folder


def _loop(method, config, images, preview, clock, checkpoints, summary, progress) -> None:
    """Steps from the clock's position to the end of the schedule."""
    schedule, nimg = method.schedule, int(clock.nimg)
    options = {k: getattr(config, k) for k in ("batch", "scale", "downscaler", "seed")}
    batches = images.batches(position=int(clock.data_position), **options)
    window_time, window_nimg = time.monotonic(), nimg

    with interrupts() as signals:
        for position, *batch in reading(batches, [f for files in images.train_files for f in files]):
            phase, before = schedule.phase(nimg), nimg
            method.train_step(tuple(batch), phase, nimg)
            nimg += config.batch
            progress.advance(config.batch)

            def passed(kimg: int, before=before, now=nimg) -> bool:
                return before // (kimg * KIMG) != now // (kimg * KIMG)

            done = nimg >= schedule.total
            if progress.due():
                progress.show(nimg, phase, method.mean_metrics(), plain=False)
            if passed(config.report_kimg) or done:
                values = {**method.mean_metrics(), **method.report(tuple(batch), phase, before)}
                values["images_per_second"] = (nimg - window_nimg) / (time.monotonic() - window_time)
                method.reset_metrics()
                summary.scalars(nimg // KIMG, values)
                progress.show(nimg, phase, values, plain=True)
                window_time, window_nimg = time.monotonic(), nimg
            if passed(config.save_kimg) or done:
                summary.image(nimg // KIMG, "candidates", preview(phase, before))
            if passed(config.save_kimg) or done or signals or schedule.phase(nimg) != phase:
                clock.nimg.assign(nimg)
                clock.data_position.assign(position)
                summary.flush()  # what is reported up to a checkpoint is there when the checkpoint is
                checkpoints.save(nimg)
            if signals:
                name = signal.Signals(signals[0]).name
                print(f"stopped by {name} at {nimg / KIMG:g} kimg, saved: the same command goes on", file=sys.stderr)
                raise Interrupted(128 + signals[0])
            if done:
                return
