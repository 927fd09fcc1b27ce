"""The training loop of every method: when to step, report, preview, save and stop. It knows no method.

The clock is images seen (nimg). Everything that happens at a position happens there again after an interruption.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from libml.datasets.stream import Images, reading
from libml.errors import UserError, reason
from libml.images import encode_png
from libml.system.background import ahead
from libml.system.devices import Devices
from libml.system.files import discard, write_atomic
from libml.system.interrupts import Interrupted, interrupts
from libml.training import checkpoint, run_folder
from libml.training.best import Best
from libml.training.config import MEASURES, RunConfig
from libml.training.meters import Meters
from libml.training.progress import ProgressLine
from libml.training.run_folder import RunFolder
from libml.training.schedule import KIMG, Phase, Schedule
from libml.training.summary import SummaryWriter

Batch = tuple[tf.Tensor, tf.Tensor]
MakePreview = Callable[[Phase, int], np.ndarray]  # (phase, nimg) -> a picture of test images, uint8 [H, W, 3]
Evaluate = Callable[[Phase, int], dict[str, float]]  # (phase, nimg) -> measures of test images by name


class Method(Protocol):
    """What the loop asks of a method: a tf.Module, all of whose variables a checkpoint holds."""

    schedule: Schedule
    meters: Meters
    batches_per_step: int  # how many batches of fresh images a step takes; it advances the clock by one of them

    def train_step(self, batch: Batch, phase: Phase, nimg: int) -> None:
        """Trains on one global batch, the images from nimg on; `batch` is this worker's part, (lores, hires).

        A method of several batches a step gets them stacked, [batches_per_step, N, H, W, C].
        """

    def report(self, batch: Batch, phase: Phase, nimg: int) -> dict[str, float]:
        """Further values for a report, from its last batch. Every worker calls it."""

    def named_variables(self) -> dict[str, tf.Variable]:
        """Everything that trains, by name."""


@tf.function(autograph=False)
def _all_finite(variables: list[tf.Tensor]) -> tf.Tensor:
    return tf.stack([tf.reduce_all(tf.math.is_finite(v)) for v in variables])


class Run:
    """One run in progress. The chief writes; the other workers only compute."""

    def __init__(
        self,
        method: Method,
        config: RunConfig,
        folder: Path,
        images: Images,
        preview: MakePreview,
        devices: Devices,
        evaluation: Evaluate | None,
    ):
        """Arguments as those of train."""
        self.method, self.config, self.images = method, config, images
        self.preview, self.devices, self.files = preview, devices, RunFolder(folder)
        self.clock = checkpoint.Clock(config.seed)
        objects = tf.train.Checkpoint(method=method, clock=self.clock)
        self.checkpoints = checkpoint.Checkpoints(self.files.checkpoints, objects)
        self.facts = {"colors": images.dataset.colors, "data_dir": str(images.data_dir.resolve())}  # for args.json
        self.evaluation, self.best = evaluation, Best(config, folder, objects, self.facts)
        self.summary: SummaryWriter | None = None
        self.check_alone: Callable[[], None] = lambda: None  # raises if another process has taken the run's folder

    def restore(self) -> int | None:
        """Every worker takes the state of the checkpoint that the chief chose; its nimg, or None for a new run."""
        chosen = self.checkpoints.restore_latest() if self.devices.is_chief else None
        nimg = self.devices.gather(-1 if chosen is None else chosen)[0]
        if nimg < 0:
            return None
        if not self.devices.is_chief:
            checkpoint.restore(checkpoint.path_of(self.files.checkpoints, nimg), self.checkpoints.checkpoint)
        return nimg

    def check_finite(self) -> None:
        """Refuses to go on with, or save, what is not finite.

        Raises:
            UserError: naming the first loss or weight that was not, and where.
        """
        fault = self.method.meters.first_fault()
        if fault is None:
            names, variables = zip(*self.method.named_variables().items(), strict=True)
            finite = _all_finite([tf.cast(v, tf.float32) for v in variables]).numpy()
            if finite.all():
                return
            fault = names[int(finite.argmin())], int(self.clock.nimg)
        saved = checkpoint.list_checkpoints(self.files.checkpoints)
        kept = f"the last good checkpoint is {saved[-1][1]}" if saved else "nothing had been saved yet"
        raise UserError(
            f"{fault[0]} was not finite at image {fault[1]}: training has diverged and stopped; {kept}. "
            "Start another run with a lower --lr, or go on from there with --resume and a larger --batch"
        )

    def report(self, batch: Batch, phase: Phase, before: int, nimg: int, speed: dict[str, float]) -> dict[str, float]:
        """Writes the means since the last report and starts new ones."""
        values = {**self.method.meters.means(), **self.method.report(batch, phase, before), **speed}
        self.method.meters.reset()
        if self.summary:
            self.summary.scalars(nimg // KIMG, values)
            measures = [f"eval/{name}" for name in MEASURES] if self.config.eval_kimg else []
            self.summary.layout(nimg // KIMG, [*values, *measures])
        return values

    def evaluate(self, phase: Phase, before: int, nimg: int, position: int) -> None:
        """Writes the measures of the generator at nimg, and keeps the run as it is if it is the best so far."""
        self._at(nimg, position)
        self.check_finite()
        if not (self.summary and self.evaluation):
            return
        self.check_alone()
        values = self.evaluation(phase, before)
        self.summary.scalars(nimg // KIMG, {f"eval/{name}": value for name, value in values.items()})
        if self.config.keep_best and self.best.beaten_by(values):
            self.best.keep(nimg, values)

    def _at(self, nimg: int, position: int) -> None:
        self.clock.nimg.assign(nimg)
        self.clock.data_position.assign(max(self.devices.gather(position)))

    def save(self, nimg: int, position: int, picture: np.ndarray | None) -> None:
        """Saves the run at nimg, once it is known to be sound, and its preview if there is one."""
        self._at(nimg, position)
        self.check_finite()
        if self.summary:
            self.check_alone()
            if picture is not None:
                self.summary.image(nimg // KIMG, "candidates", picture)
            self.summary.flush()  # what was reported up to a checkpoint is there when the checkpoint is
            self.checkpoints.save(nimg)
            if picture is not None:
                write_atomic(self.files.preview, encode_png(picture))

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Endless (position in the data, this worker's part of the global batch)."""
        stream = self.images.batches(
            batch=self.config.batch // self.devices.workers,
            scale=self.config.scale,
            downscaler=self.config.downscaler,
            seed=self.config.seed,
            position=int(self.clock.data_position),
            worker=self.devices.worker,
            workers=self.devices.workers,
        )
        several = self.method.batches_per_step
        if several > 1:
            stream = stream.batch(several)
        for position, *batch in reading(stream, self.images.locate_bad):
            yield int(position if several == 1 else position[-1]), tuple(batch)

    def loop(self, batches: Iterator[tuple[int, Batch]], progress: ProgressLine, signals: list[int]) -> None:
        """Steps from the clock's position to the end of the schedule.

        Args:
            batches: what self.batches yields.
            progress: where to show it.
            signals: those received.

        Raises:
            Interrupted: once saved, after a signal to this worker or another.
        """
        config, schedule, nimg = self.config, self.method.schedule, int(self.clock.nimg)
        window_start, window_nimg, waited = time.perf_counter(), nimg, 0.0
        began, evaluated = window_start, 0.0
        while nimg < schedule.total:
            asked = time.perf_counter()
            position, batch = next(batches)
            waited += time.perf_counter() - asked
            phase, before = schedule.phase(nimg), nimg
            self.method.train_step(batch, phase, nimg)
            nimg += config.batch
            progress.advance(config.batch)

            done = nimg >= schedule.total
            stopping = max(self.devices.gather(signals[0] if signals else 0))
            if progress.due():
                progress.show(phase, self.method.meters.means(), plain=False)
            if done or _passed(before, nimg, config.report_kimg):
                elapsed = time.perf_counter() - window_start
                speed = {"images_per_second": (nimg - window_nimg) / elapsed, "data_wait": waited / elapsed}
                if self.images.skip_bad_records:
                    taken = nimg * self.method.batches_per_step
                    speed["skipped_records"] = self.images.skipped(max(self.devices.gather(position)), taken)
                progress.show(phase, self.report(batch, phase, before, nimg, speed), plain=True)
                window_start, window_nimg, waited = time.perf_counter(), nimg, 0.0
                self.check_finite()
            if config.eval_kimg and (done or _passed(before, nimg, config.eval_kimg)):
                started = time.perf_counter()
                self.evaluate(phase, before, nimg, position)
                evaluating = time.perf_counter() - started
                evaluated, window_start = evaluated + evaluating, window_start + evaluating
            due = done or _passed(before, nimg, config.save_kimg)
            if due or stopping or schedule.phase(nimg) != phase:
                self.save(nimg, position, self.preview(phase, before) if due and self.summary else None)
            if stopping and not done:
                progress.close()
                if self.devices.is_chief:
                    name = signal.Signals(stopping).name
                    print(
                        f"stopped by {name} at {nimg / KIMG:g} kimg, saved: the same command goes on", file=sys.stderr
                    )
                raise Interrupted(128 + stopping)
        if evaluated:
            progress.close()
            share = evaluated / (time.perf_counter() - began)
            _say(self.devices, f"measuring test images took {share:.1%} of the time")


def _passed(before: int, now: int, kimg: int) -> bool:
    return before // (kimg * KIMG) != now // (kimg * KIMG)


def train(
    method: Method,
    config: RunConfig,
    folder: Path,
    images: Images,
    preview: MakePreview,
    devices: Devices | None = None,
    *,
    reset: bool = False,
    evaluation: Evaluate | None = None,
) -> None:
    """Trains a method to the end of its schedule, from wherever its folder says it was.

    Args:
        method: what is trained.
        config: its parameters.
        folder: where the run lives; all workers must see it.
        images: the data.
        preview: makes the picture that checkpoints of config.save_kimg come with.
        devices: this process's place among the workers.
        reset: forget what the folder holds and start over.
        evaluation: what the chief measures every config.eval_kimg.

    Raises:
        UserError: for a folder of another run, damaged data, a full disk, values that are not finite, a lost worker.
        Interrupted: after SIGINT or SIGTERM, once saved.
    """
    devices = devices or Devices(tf.distribute.get_strategy())
    total = method.schedule.total
    run = Run(method, config, folder, images, preview, devices, evaluation)
    with contextlib.ExitStack() as stack:
        if devices.is_chief:
            run.check_alone = stack.enter_context(run_folder.locked(folder))
            if reset:
                run_folder.forget(folder)
            run_folder.check_same_run(config, folder)
        if devices.workers > 1:
            stack.enter_context(_lost_worker())
        restored, nimg = run.restore(), int(run.clock.nimg)
        if devices.is_chief:  # nothing is written before it is known where the run goes on
            run_folder.save_args(config, folder, **run.facts)
            for leftover in run.files.leftovers():
                discard(leftover)
        if nimg >= total:
            _say(devices, f"{folder} is complete: {nimg / KIMG:g} of {total / KIMG:g} kimg")
            return
        _say(devices, f"{'starting' if restored is None else 'going on with'} {folder} at {nimg / KIMG:g} kimg")
        if devices.is_chief:
            run.summary = stack.enter_context(SummaryWriter(folder, None if restored is None else nimg // KIMG))
            if restored is None:
                run.summary.parameters(0, config.to_json())
            _say(devices, f"every {config.save_kimg} kimg the run draws test images into {run.files.preview}")
        progress = ProgressLine(total, nimg, silent=not devices.is_chief)
        stack.callback(progress.close)
        slow = "finishing this step, then saving; a second Ctrl-C stops at once, unsaved"
        signals = stack.enter_context(interrupts(slow))
        run.loop(stack.enter_context(ahead(run.batches())), progress, signals)
        if not devices.is_chief:
            _say(devices, f"done at {total / KIMG:g} kimg; worker 0 has saved the run")


def _say(devices: Devices, text: str) -> None:
    """What every worker says; the chief alone shows the progress."""
    who = "" if devices.is_chief else f"worker {devices.worker} of {devices.workers}: "
    print(who + text, flush=True)


@contextlib.contextmanager
def _lost_worker() -> Iterator[None]:
    """Says in one line what TensorFlow raises when another worker of the cluster is gone."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError, tf.errors.CancelledError) as e:
        raise UserError(
            f"another worker was lost ({reason(e)}): start all workers again, they go on from the last checkpoint"
        ) from e
