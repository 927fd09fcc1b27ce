"""What each of several workers does, measured on one machine: what it reads, its steps, and how long it waits.

A worker is a process of its own, before which TensorFlow has done nothing. All of them share the machine's cores: CPU
seconds an image say more than images a second.
"""

import contextlib
import hashlib
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model.training import LAG
from lag.performance import scaling
from lag.performance.machine.measures import distance, first_step
from lag.sampling import PhaseSamplers
from libml.datasets import decoding
from libml.datasets.catalogue import lookup
from libml.datasets.stream import Images
from libml.datasets.usable import Usable
from libml.system.devices import Devices
from libml.training import loop
from libml.training.checkpoint import Checkpoints
from libml.training.preview import PREVIEW_IMAGES, Preview
from libml.training.schedule import KIMG

Row = dict[str, Any]

TINY = {"dataset": "toyfaces32", "scale": 8, "blocks": 1, "filters": 8, "filters_min": 4, "noise_dim": 2}
FIRST_BATCHES, BATCHES = 8, 64  # of the stream alone: not counted, and counted
FIRST_STEPS = 4  # that are not timed: tracing, the allocator, caches
SETTLED = 0.5  # seconds in which a stream that runs ahead would have gone on
LARGE = 1 << 24  # bytes of the larger array that is summed
REPEATS = 5
MANY, PASSED = 512, 64  # workers of which one is measured, one image each a step; its steps


def config_of(batch: int, kimg: int, folder: Path) -> LAGConfig:
    """The run: all stages of a tiny network from the start, with a checkpoint each kimg."""
    every = dict.fromkeys(("save_kimg", "report_kimg"), 1)
    return LAGConfig(**TINY, batch=batch, progressive=False, total_kimg=kimg, train_dir=str(folder), **every)


def read_bytes() -> int:
    """Bytes that this process has asked files for so far; those it looks at in memory that is a file are not among
    them."""
    return int(Path("/proc/self/io").read_text().split()[1])


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Puts a value in the place of an attribute, to watch what uses it, and the attribute back at the end."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextlib.contextmanager
def counted_decodes() -> Iterator[Callable[[], int]]:
    """How many images the pipelines that are made within this have decoded so far."""
    decode, count = decoding.decode, itertools.count(1)
    last = [0]

    def noted() -> bool:
        last[0] = next(count)
        return True

    def counting(encoded: tf.Tensor, *options: Any) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.control_dependencies([tf.numpy_function(noted, [], tf.bool)]):
            return decode(tf.identity(encoded), *options)

    with replaced(decoding, "decode", counting):
        yield lambda: last[0]


def settled(count: Callable[[], int]) -> None:
    """Waits until a count no longer grows."""
    last = -1
    while last != (last := count()):
        time.sleep(SETTLED)


def reading(images: Images, config: LAGConfig, devices: Devices) -> Row:
    """What a worker's stream reads and decodes for a global batch, and a digest of each of its images, in order."""
    digests, marks = [], []
    size = config.batch // devices.workers
    place = {"worker": devices.worker, "workers": devices.workers}
    options = {"scale": config.scale, "downscaler": config.downscaler, "seed": config.seed}
    started = read_bytes()
    with counted_decodes() as decoded:
        stream = images.batches(batch=size, **options, **place)
        for i, (_, _, hires) in enumerate(itertools.islice(stream, FIRST_BATCHES + BATCHES)):
            digests += [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in hires.numpy()]
            if i + 1 in (FIRST_BATCHES, FIRST_BATCHES + BATCHES):
                settled(decoded)  # as far ahead as it ever is
                marks.append((decoded(), read_bytes() - started))
    (decoded_before, read_before), (decoded_all, read_all) = marks
    batch_decoded, batch_read = (decoded_all - decoded_before) / BATCHES, (read_all - read_before) / BATCHES
    return {"decoded": batch_decoded, "read": batch_read, "before the first": read_before, "images": digests}


def dealing(images: Images, config: LAGConfig) -> Row:
    """Records a CPU second of whose heads is looked at, and that a worker of many passes over once it knows them."""
    usable, numbers = Usable(images.train, images.members), np.arange(int(images.train.counts.sum()))
    start = time.process_time()
    for first in range(0, len(numbers), decoding.LOOKED_UP):
        usable(numbers[first : first + decoding.LOOKED_UP])
    looked_at = len(numbers) / (time.process_time() - start)
    options = {"scale": config.scale, "downscaler": config.downscaler, "seed": config.seed}
    passed = iter(images.batches(batch=1, worker=0, workers=MANY, **options))
    for _ in range(2 + len(numbers) // MANY):
        next(passed)
    start = time.process_time()
    for _ in range(PASSED):
        next(passed)
    return {"looked at/CPU s": looked_at, "passed over/CPU s": PASSED * MANY / (time.process_time() - start)}


def messages(function: Any) -> list[int]:
    """Bytes of each array that a concrete function sums over the replicas, on one of its devices."""
    graphs, found = [function.graph], {}
    for graph in graphs:  # it grows meanwhile
        called = [inner.graph for inner in graph._functions.values()]
        graphs += [inner for inner in called if not any(inner is seen for seen in graphs)]
        for op in graph.get_operations():
            if op.type.startswith("CollectiveReduce"):
                size = math.prod(op.inputs[0].shape) * op.inputs[0].dtype.size
                found.setdefault(op.device, []).append(size)
    return next(iter(found.values()), [])


class Watched(LAG):
    """LAG, of whose steps the times are kept, and the first of which is looked at."""

    def train_step(self, batch: loop.Batch, phase: Any, nimg: int) -> None:
        """Trains on a batch, and waits for the end."""
        begun = time.perf_counter(), time.process_time()
        super().train_step(batch, phase, nimg)
        self.meters.steps.numpy()
        self.watch.append((*begun, time.perf_counter()))
        if nimg == 0:
            self.first.append(first_step(self))
            level = phase.level(nimg)
            step = self._traced(*(tuple(images.shape) for images in batch), level.start, level.stop)
            self.first.append(messages(step))


class _Kept:
    """A list of which a tf.Module keeps no copy."""

    def __init__(self):
        self.items: list[Any] = []
        self.append = self.items.append


def training(images: Images, config: LAGConfig, devices: Devices, work: Path) -> Row:
    """Trains with the real loop; the times of its steps and checkpoints, and what a step came to.

    Leaves the first step and the last weights in the folder, for `compared`.
    """
    model = Watched(config, images.dataset.colors, devices.strategy, devices.workers)
    watch, first, pauses = _Kept(), _Kept(), {"preview": [], "writing": []}
    model.watch, model.first = watch, first
    preview, save = Preview(PhaseSamplers(model), config, images.test_images(limit=PREVIEW_IMAGES)), Checkpoints.save

    def timed(name: str, function: Callable) -> Callable:
        def run(*args):
            start = time.perf_counter()
            result = function(*args)
            pauses[name].append(time.perf_counter() - start)
            return result

        return run

    with replaced(Checkpoints, "save", timed("writing", save)):
        loop.train(model, config, config.folder, images, timed("preview", preview), devices)
    name = f"{devices.workers}-{devices.worker}"
    np.savez(work / f"first-{name}.npz", **first.items[0])
    weights = np.concatenate([np.ravel(v) for k, v in model.named_variables().items() if "adam" not in k])
    np.save(work / f"last-{name}.npy", weights)
    sent = first.items[1]
    steps = step_times(watch.items, config.batch, KIMG // config.batch)
    shortest = {name: min(times) for name, times in pauses.items() if times}
    return {**steps, "messages": len(sent), "sent": sum(sent), **shortest}


def step_times(watch: Sequence[tuple[float, float, float]], batch: int, every: int) -> Row:
    """What the times of steps say, apart from the first ones and those that follow a checkpoint.

    Args:
        watch: for each step when it began, CPU seconds until then, and when it ended.
        batch: images of a step.
        every: steps from one checkpoint to the next.
    """
    whole = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(watch)]
    after = [i + 1 for i in range(len(whole)) if (i + 1) % every == 0]  # steps that follow a checkpoint
    plain = [i for i in range(FIRST_STEPS, len(whole)) if i not in after and i + 1 not in after]
    seconds = statistics.median(whole[i][0] for i in plain)
    stops = [watch[i][2] - watch[i - 1][2] - seconds for i in after]
    cpu = sum(whole[i][1] for i in plain) / len(plain) / batch
    return {"images/s": batch / seconds, "CPU s/image": cpu, "stop": min(stops, default=0.0)}


def summing(devices: Devices, sizes: Sequence[int]) -> Row:
    """Seconds of a sum over all workers of an array of each size in bytes, the median of a few."""
    found = {}
    for size in sizes:
        array = tf.zeros([size // 4])

        @tf.function(autograph=False)
        def summed(array: tf.Tensor) -> tf.Tensor:
            def share(array: tf.Tensor) -> tf.Tensor:
                return tf.distribute.get_replica_context().all_reduce("SUM", array + 1)[:1]

            return devices.strategy.run(share, (array,))

        times = []
        for _ in range(1 + REPEATS):
            start = time.perf_counter()
            devices.strategy.experimental_local_results(summed(array))[0].numpy()
            times.append(time.perf_counter() - start)
        found[str(size)] = statistics.median(times[1:])
    return {"summing, s": found}


def measure(config: LAGConfig, devices: Devices, data: Path, work: Path) -> Row:
    """Everything of one worker."""
    images = Images(lookup(config.dataset, data), data)
    row = {"workers": devices.workers, "worker": devices.worker, **reading(images, config, devices)}
    if devices.workers == 1:
        row |= dealing(images, config)
    row |= training(images, config, devices, work)
    if devices.workers > 1:
        row |= summing(devices, [row["sent"], LARGE])
    return row


def compared(rows: Sequence[Row], one: Row, work: Path) -> Row:
    """A line of the table: what all workers of a run did, beside one process.

    Args:
        rows: of each worker, in order.
        one: the row of one process.
        work: where they left their first steps and last weights.
    """
    n, size = len(rows), len(one["images"]) // (FIRST_BATCHES + BATCHES) // len(rows)
    turns = range(0, len(rows[0]["images"]), size)
    together = [image for i in turns for row in rows for image in row["images"][i : i + size]]
    with np.load(work / f"first-{n}-0.npz") as a, np.load(work / "first-1-0.npz") as b:
        errors = {f"{name}, error": distance(a[name], b[name]) for name in a.files}
    last = [np.load(work / f"last-{n}-{row['worker']}.npy") for row in rows]
    chief, others = rows[0], rows[1:]
    return {
        "workers": n,
        "same images": together == one["images"],
        "decoded a step": [min(r["decoded"] for r in rows), max(r["decoded"] for r in rows)],
        "read a step, bytes": [min(r["read"] for r in rows), max(r["read"] for r in rows)],
        "images/s": chief["images/s"],
        "CPU ms/image": 1000 * sum(r["CPU s/image"] for r in rows),
        "messages": chief["messages"],
        "sent, bytes": chief["sent"],
        **errors,
        "same weights": all(np.array_equal(last[0], w) for w in last),
        "chief's stop, ms": 1000 * chief["stop"],
        "of it writing": 1000 * chief["writing"],
        "preview": 1000 * chief["preview"],
        "others' stop, ms": max((1000 * r["stop"] for r in others), default=None),
    }


def rings(rows: Sequence[Row]) -> list[Row]:
    """How long sums over all workers take, and what passes over all links together in that time: bytes a second.

    A ring of n passes on every array 2 (n - 1) times in all. On one machine all links share the machine.
    """
    found = []
    for row in (row for row in rows if row["worker"] == 0):
        passes = scaling.HOPS * (row["workers"] - 1)
        for size, seconds in row.get("summing, s", {}).items():
            rate = passes * int(size) / seconds / 1e9
            found.append({"workers": row["workers"], "bytes": int(size), "ms": 1000 * seconds, "GB/s": rate})
    return found
