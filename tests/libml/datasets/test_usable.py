"""Which images fit, by their first bytes, and how workers share what fits."""

import io
import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from libml.datasets import catalogue as data
from libml.datasets import heads, records
from libml.datasets.stream import Images
from libml.images import encode_png
from tests.libml.datasets.test_stream_order import damage
from tests.support.images import blobs

OPTIONS = {"scale": 4, "downscaler": "average", "seed": 0}


def encoded(mode, **options):
    buffer = io.BytesIO()
    picture = Image.fromarray(blobs(1)[0]).convert(mode)
    picture.save(buffer, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        *(encoded(mode, format="PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        encoded("P", format="PNG", transparency=0),
        *(encoded(mode, format="JPEG") for mode in ("L", "RGB", "CMYK")),
        encoded("RGB", format="JPEG", progressive=True, exif=b"Exif\0\0" + bytes(5000)),
    ],
)
def test_channels_are_those_that_tensorflow_decodes(content):
    expected = tf.io.decode_image(content, channels=0, expand_animations=False).shape[-1]
    assert heads.channels(b"before" + content + b"behind", 6, 6 + len(content)) == expected


def test_the_image_of_an_example_is_found():
    example = records.example(b"pixels", label=300, attrs=[0.5] * 40)
    start, end = heads.image_in(b"12" + example + b"3456", 2, 2 + len(example), b"image")
    assert (b"12" + example)[start:end] == b"pixels"
    for broken in (example[:-1], b"nonsense", records.example(b"pixels").replace(b"image", b"photo")):
        with pytest.raises((ValueError, IndexError)):
            heads.image_in(broken, 0, len(broken), b"image")


def mixed(folder, damaged=()):
    """60 images, a third of them grey and some no images; returns all of them."""
    pictures = [encode_png(image[..., : 1 if i % 3 == 0 else 3]) for i, image in enumerate(blobs(60))]
    if damaged:
        pictures[7] = pictures[22] = b"no image at all"
        pictures[25] = pictures[25][:60]  # the head is there
    path = folder / "cifar10-train.tfrecord"
    records.write(path, [records.example(picture) for picture in pictures])
    damage(path, damaged)


def read(images, steps, **options):
    stream = images.batches(**{**OPTIONS, **options})
    return [(int(position), hires.numpy()) for position, _, hires in itertools.islice(stream, steps)]


@pytest.mark.parametrize("damaged", [(), (5, 11, 12)])
def test_workers_together_read_the_batches_of_one_where_records_are_skipped(tmp_path, damaged):
    mixed(tmp_path, damaged)
    images = Images(data.lookup("cifar10"), tmp_path, skip_bad_records=bool(damaged))
    one = read(images, 15, batch=8)
    for start in (0, 6):  # from the beginning, and gone on with
        position = one[start - 1][0] if start else 0
        parts = [read(images, 8, batch=4, worker=w, workers=2, position=position) for w in (0, 1)]
        for first, second, (position, hires) in zip(*parts, one[start:], strict=False):
            np.testing.assert_array_equal(np.concatenate([first[1], second[1]]), hires)
            assert max(first[0], second[0]) == position


def test_damage_is_noticed_whatever_the_head_says(tmp_path):
    path = tmp_path / "cifar10-train.tfrecord"
    records.write(path, [records.example(encode_png(image)) for image in blobs(16)])
    content = path.read_bytes()
    kind = content.index(b"IHDR") + 13  # of the first image: now it says grey
    path.write_bytes(content[:kind] + b"\0" + content[kind + 1 :])
    images = Images(data.lookup("cifar10"), tmp_path)
    errors = 0
    for worker in (0, 1):
        try:
            read(images, 2, batch=4, worker=worker, workers=2)
        except tf.errors.DataLossError:
            errors += 1
    assert errors == 1
