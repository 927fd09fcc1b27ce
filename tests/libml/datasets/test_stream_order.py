"""The order of the training stream, pinned: a run that was begun by an earlier version goes on with the same images."""

import dataclasses
import hashlib
import itertools

import numpy as np
import pytest
import tensorflow as tf

from libml.datasets import catalogue as data
from libml.datasets import decoding
from libml.datasets.recordfile import record_offsets
from libml.datasets.stream import Images
from libml.system.cpu import available_cores
from tests.support.images import write_images

DOTS = data.Dataset("dots", 2, ("dots-train-?????-of-?????.tfrecord",), ("dots-test.tfrecord",), "")


def dot(number):
    """A picture of 2 x 2 pixels whose colour says a number."""
    return np.tile(np.uint8([number % 256, number // 256, 0]), [2, 2, 1])


def write_dots(folder, sizes):
    """Files of so many dots each, numbered through."""
    numbers = iter(range(sum(sizes)))
    for i, size in enumerate(sizes):
        dots = np.stack([dot(n) for n in itertools.islice(numbers, size)])
        write_images(folder / f"dots-train-{i:05d}-of-{len(sizes):05d}.tfrecord", dots)


def numbers_of(images, steps, batch=10, **options):
    """The numbers of the pictures of so many batches, and the position after each."""
    options = {"scale": 2, "downscaler": "average", "seed": 3} | options
    numbers, positions = [], []
    for position, _, hires in itertools.islice(images.batches(batch=batch, **options), steps):
        low, high = np.rint((np.asarray(hires)[:, 0, 0, :2] + 1) * 127.5).astype(int).T
        numbers += (low + 256 * high).tolist()
        positions.append(int(position))
    return numbers, positions


def digest(numbers):
    return hashlib.sha256(np.array(numbers, "<i8").tobytes()).hexdigest()[:16]


def damage(path, damaged):
    """Spoils the checksums of some of a file's records."""
    content = bytearray(path.read_bytes())
    for number, offset in enumerate(record_offsets(path)):
        if number in damaged:
            content[offset + 30] ^= 255
    path.write_bytes(content)


def test_order_of_a_set_that_fits_into_the_shuffle_buffer(tmp_path):
    write_dots(tmp_path, [7, 5, 8])
    numbers, _ = numbers_of(Images(DOTS, tmp_path), 6)
    assert numbers[:20] == [12, 13, 6, 14, 2, 15, 9, 1, 8, 4, 11, 5, 7, 10, 19, 16, 0, 3, 17, 18]
    assert numbers[20:40] == [19, 7, 9, 4, 17, 6, 0, 13, 5, 3, 16, 1, 12, 8, 18, 10, 11, 14, 15, 2]
    assert numbers[40:] == [7, 4, 5, 12, 10, 11, 0, 6, 18, 9, 2, 15, 3, 19, 8, 14, 13, 16, 1, 17]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    write_dots(folder, [3000, 2000, 2500])
    return Images(DOTS, folder)


def test_order_of_a_set_larger_than_the_shuffle_buffer(many):
    numbers, _ = numbers_of(many, 9, batch=1000)
    assert numbers[:12] == [1684, 3798, 3371, 3077, 823, 1736, 3837, 642, 793, 640, 913, 4449]
    assert numbers[7500:7512] == [3875, 1945, 2793, 182, 1105, 2474, 4023, 3591, 2759, 2249, 1378, 2977]
    assert digest(numbers) == "be869891933adb0a"  # an epoch and the beginning of the next
    assert sorted(numbers[:7500]) == list(range(7500))
    assert numbers_of(many, 3, position=6990)[0] == numbers[6990:7020]
    assert numbers_of(many, 2, position=7495)[0] == numbers[7495:7515]


def test_order_around_damaged_records(tmp_path):
    write_dots(tmp_path, [9, 11])
    for name, damaged in (("00000", [0, 4, 5]), ("00001", [10])):
        damage(tmp_path / f"dots-train-{name}-of-00002.tfrecord", damaged)
    images = Images(DOTS, tmp_path, skip_bad_records=True)
    numbers, positions = numbers_of(images, 4, batch=8)
    assert images.counts == [16] and positions == [8, 16, 24, 32]
    assert numbers[:16] == [2, 7, 12, 6, 18, 8, 3, 10, 9, 1, 11, 13, 15, 16, 14, 17]
    assert numbers[16:] == [6, 11, 18, 13, 12, 2, 7, 17, 3, 14, 10, 9, 15, 8, 1, 16]


def test_order_of_a_mixture(tmp_path):
    dots, more = (dataclasses.replace(DOTS, name=n, train=(f"{n}-train.tfrecord",)) for n in ("dots", "more"))
    write_images(tmp_path / "dots-train.tfrecord", np.stack([dot(n) for n in range(7)]))
    write_images(tmp_path / "more-train.tfrecord", np.stack([dot(n) for n in range(100, 105)]))
    images = Images(data.Dataset("both", 2, (), (), "", members=(dots, more)), tmp_path)
    numbers, positions = numbers_of(images, 3)
    assert positions == [10, 20, 30]
    assert numbers[:15] == [0, 101, 4, 102, 2, 103, 5, 104, 6, 100, 1, 103, 3, 102, 4]
    assert numbers[15:] == [101, 5, 100, 6, 104, 2, 104, 3, 102, 0, 100, 1, 103, 5, 101]
    assert numbers_of(images, 2, position=7)[0] == numbers[7:27]


def test_a_record_is_read_when_its_turn_has_come_and_by_its_own_worker_only(tmp_path):
    write_dots(tmp_path, [2000])
    images = Images(DOTS, tmp_path)
    numbers, _ = numbers_of(images, 2, batch=1000)
    damage(tmp_path / "dots-train-00000-of-00001.tfrecord", {numbers[1000]})
    assert numbers_of(images, 2)[0] == numbers[:20]
    assert numbers_of(images, 2, position=1001)[0] == numbers[1001:1021]
    shared = {"batch": 5, "workers": 2, "position": 990}
    own = [*numbers[995:1000], *numbers[1005:1010], *numbers[1015:1020]]
    assert numbers_of(images, 3, worker=1, **shared)[0] == own
    with pytest.raises(tf.errors.DataLossError):
        numbers_of(images, 3, worker=0, **shared)


def test_large_images_are_decoded_one_at_a_time_and_small_ones_on_all_cores():
    assert decoding.loads(dataclasses.replace(DOTS, size=2048)) == 1
    assert 3 * 12 * 1024**2 * decoding.loads(dataclasses.replace(DOTS, size=1024)) <= 256 * 2**20
    assert decoding.loads(DOTS) == 2 * available_cores()
