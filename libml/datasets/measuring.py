"""Parts of a training stream alone, to measure how fast each is: reading records, and decoding them."""

import functools
import itertools
import time
from collections.abc import Iterable, Iterator

import tensorflow as tf

from libml.datasets.decoding import fitting, loads, looked_up, options, parse, record_at
from libml.datasets.stream import SHUFFLE_BUFFER, Images


def raw_batches(images: Images, batch: int) -> tf.data.Dataset:
    """Positions and records of the training stream, not decoded."""
    places = looked_up(images.train, images.numbers(seed=0, position=0))
    records = places.map(
        lambda p, *place: (p, record_at(images.train, place)), num_parallel_calls=loads(images.dataset)
    )
    return records.batch(batch).prefetch(2).with_options(options())


def decoded_batches(images: Images, batch: int) -> tf.data.Dataset:
    """Nothing but decoding, over and over the first images of the training files; [N] heights."""
    mean = sum(f.stat().st_size for f in images.train.files) / images.train.counts.sum()
    most = min(SHUFFLE_BUFFER, fitting(int(mean))) // len(images.members)
    streams = []
    for i, member in enumerate(images.members):
        places = looked_up(images.train, images.in_order(i).take(max(1, most)))
        streams.append(places.map(lambda *place, m=member: parse(record_at(images.train, place), m)))
    first = functools.reduce(tf.data.Dataset.concatenate, streams).cache().repeat()

    def height(encoded: tf.Tensor) -> tf.Tensor:
        return tf.shape(tf.io.decode_image(encoded, expand_animations=False))[0]

    decoded = first.map(height, num_parallel_calls=loads(images.dataset))
    return decoded.batch(batch).prefetch(2).with_options(options())


def rates(batches: Iterable, batch: int, samples: int, repeats: int) -> list[float]:
    """images/s of each repetition, all of one stream, after a warm-up of a tenth of a repetition."""
    steps = max(1, samples // batch)
    iterator: Iterator = iter(batches)
    _consume(iterator, max(2, steps // 10))
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        _consume(iterator, steps)
        found.append(steps * batch / (time.perf_counter() - start))
    return found


def _consume(iterator: Iterator, count: int) -> None:
    for _ in itertools.islice(iterator, count):
        pass
