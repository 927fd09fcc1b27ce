"""Test images by number: of one dataset and of a mixture, and what damaged files say."""

import struct

import numpy as np
import pytest

from libml.datasets import catalogue as data
from libml.datasets import manifest, records
from libml.datasets.held_out import held_out
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.images import encode_png
from tests.libml.datasets.test_stream_order import damage
from tests.support.images import blobs, write_images


def grey(level, count):
    return np.full([count, 32, 32, 3], level, np.uint8)


def levels(images):
    return np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


@pytest.fixture
def mixture(tmp_path):
    for name in ("cifar10", "svhn", "celeba32"):
        write_images(tmp_path / f"{name.removesuffix('32')}-train.tfrecord", grey(0, 4))
    members = tuple(data.lookup(name) for name in ("cifar10", "svhn", "celeba32"))
    return data.Dataset("mix", 32, (), (), "", members=members)


def test_members_of_a_mixture_take_turns_in_test_images(tmp_path, mixture, capsys):
    write_images(tmp_path / "cifar10-test.tfrecord", np.concatenate([grey(10 + i, 1) for i in range(5)]))
    write_images(tmp_path / "svhn-test.tfrecord", np.concatenate([grey(50 + i, 1) for i in range(2)]))
    images = Images(mixture, tmp_path)
    assert levels(images.test_images()) == [10, 50, 11, 51, 12, 13, 14]  # the second has no more
    assert levels(images.test_images(limit=3)) == [10, 50, 11]
    assert len(images.test_images(limit=2**63)) == 7  # more than an index can be
    assert levels(images.test_images([5, 0, 3])) == [13, 10, 51]
    alone = held_out(mixture, tmp_path)  # of which no training images are asked for, but which members have some
    assert levels(alone.images(alone.select(limit=4))) == [10, 50, 11, 51]
    (tmp_path / "svhn-train.tfrecord").unlink()
    alone = held_out(mixture, tmp_path)
    assert levels(alone.images(alone.select(limit=4))) == [10, 11, 12, 13]
    said = capsys.readouterr().err.splitlines()[0]
    assert said.startswith("test images of mix are those of cifar10, svhn; no test files of: celeba32 (celeba-test")
    with pytest.raises(UserError, match="mix has 7 test images: there is no number 7"):
        images.test_images([7])
    with pytest.raises(UserError, match=f"there is no number {2**63}"):
        images.test_images([2**63])


def test_a_mixture_without_test_files_says_what_it_looked_for(tmp_path, mixture):
    with pytest.raises(UserError, match=r"no test files of mix are in .*cifar10-test.*svhn-test.*celeba-test"):
        Images(mixture, tmp_path).test_images(limit=1)


def test_only_wanted_images_are_decoded_and_images_of_other_colours_have_no_number(tmp_path):
    pictures = [image[..., : 1 if i == 2 else 3] for i, image in enumerate(blobs(9))]
    path = tmp_path / "cifar10-test.tfrecord"
    records.write(path, [records.example(encode_png(picture)) for picture in pictures])
    damage(path, [1, 8])
    write_images(tmp_path / "cifar10-train.tfrecord", blobs(1))
    images = Images(data.lookup("cifar10"), tmp_path)
    expected = np.stack([pictures[i] for i in (6, 0, 6)]) / np.float32(127.5) - 1
    np.testing.assert_allclose(images.test_images([5, 0, 5]), expected, atol=1e-6)
    assert images.test_images([]).shape == (0, 32, 32, 3)
    with pytest.raises(UserError, match=r"record 1 of .*cifar10-test\.tfrecord is damaged"):
        images.test_images(limit=3)


def checksum(content):
    """Masked CRC-32C, as TFRecord files have it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@pytest.mark.parametrize("length", [1 << 40, (1 << 64) - 1, (1 << 64) - 20])
def test_a_record_of_a_hostile_length_is_named(tmp_path, length):
    head = struct.pack("<Q", length)
    write_images(tmp_path / "cifar10-train.tfrecord", blobs(2))
    path = tmp_path / "cifar10-test.tfrecord"
    write_images(path, blobs(2))
    path.write_bytes(path.read_bytes() + head + checksum(head) + b"x" * 50)
    with pytest.raises(UserError, match=r"cifar10-test\.tfrecord is cut short or no TFRecord"):
        Images(data.lookup("cifar10"), tmp_path).test_images(limit=2)


def test_a_length_that_a_manifest_hides_is_named(tmp_path):
    path = tmp_path / "cifar10-train.tfrecord"
    write_images(path, blobs(8))
    content = bytearray(path.read_bytes())
    content[:8] = struct.pack("<Q", 1 << 40)
    content[8:12] = checksum(content[:8])
    path.write_bytes(content)
    known = {"file": path.name, "records": 8, "bytes": len(content), "sha256": ""}
    splits = {"train": {"images": 8, "files": [known]}}
    content = {"format": manifest.FORMAT, "name": "cifar10", "kind": manifest.STANDARD, "splits": splits}
    manifest.path(tmp_path, "cifar10").write_bytes(manifest.encode(content))
    images = Images(data.lookup("cifar10"), tmp_path)
    with pytest.raises(UserError, match=r"cifar10-train\.tfrecord is cut short or no TFRecord"):
        images.check()
    write_images(path, blobs(7))
    known |= {"bytes": path.stat().st_size}
    manifest.path(tmp_path, "cifar10").write_bytes(manifest.encode(content))
    with pytest.raises(UserError, match="has 7 records, its manifest says 8"):
        Images(data.lookup("cifar10"), tmp_path).check()
