"""Datasets: names, files, decoding, and the deterministic stream."""

import io
import itertools
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from libml.datasets import catalogue as data
from libml.datasets import records
from libml.datasets.recordfile import record_offsets
from libml.datasets.stream import Images, reading
from libml.errors import UserError
from libml.images import encode_png
from libml.layers.resample import DOWNSCALERS
from tests.support.images import blobs, write_images

OPTIONS = {"batch": 8, "scale": 4, "downscaler": "average", "seed": 0}


def read(images, count, **options):
    stream = images.batches(**{**OPTIONS, **options})
    return [tuple(np.asarray(t) for t in element) for element in itertools.islice(stream, count)]


@pytest.fixture(scope="module")
def cifar(data_dir):
    return Images(data.lookup("cifar10"), data_dir)


def test_every_name_of_the_method_is_known():
    names = set(data.names())
    for size in (32, 64, 128, 256):
        assert {f"{base}{size}" for base in ("celeba", "imagenet", "all", "toyfaces")} <= names
        assert {f"lsun_{c}{size}" for c in ("bedroom", "church_outdoor", "tower")} <= names
        assert len([name for name in names if re.fullmatch(rf"lsun_[a-z_]+{size}", name)]) == 10
    assert {"cifar10", "svhn", "mnist"} <= names
    assert all(data.lookup(name).name == name for name in names)
    assert data.lookup("bedroom128") == data.lookup("lsun_bedroom128")


@pytest.mark.parametrize(
    "name, near", [("celeba12", "celeba128"), ("toyface32", "toyfaces32"), ("lsun_bedrom64", "lsun_bedroom64")]
)
def test_unknown_name_suggests_near_ones(name, near):
    with pytest.raises(UserError, match=near):
        data.lookup(name)


def test_stream_covers_each_epoch_once_in_a_new_order(cifar):
    # 40 images, 5 batches of 8 an epoch; flips do not change the set of column-reversal invariant sums.
    keys = [np.round(hires.sum((1, 2, 3)), 2) for _, _, hires in read(cifar, 10)]
    first, second = np.concatenate(keys[:5]), np.concatenate(keys[5:])
    np.testing.assert_allclose(np.sort(first), np.sort(second), atol=0.05)
    assert len(np.unique(np.round(first, 1))) > 35 and not np.allclose(first, second, atol=0.05)


def test_stream_goes_on_from_any_position(cifar):
    whole = read(cifar, 12)
    assert [int(position) for position, _, _ in whole] == [8 * (i + 1) for i in range(12)]
    for start in (1, 4, 5, 7):
        resumed = read(cifar, 3, position=int(whole[start - 1][0]))
        for a, b in zip(resumed, whole[start : start + 3], strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)


def test_stream_is_independent_of_the_batch_size(cifar):
    small = np.concatenate([hires for _, _, hires in read(cifar, 12, batch=4)])
    large = np.concatenate([hires for _, _, hires in read(cifar, 3, batch=16)])
    np.testing.assert_array_equal(small, large)


def test_seed_changes_order_and_flips(cifar):
    a, b = (np.concatenate([h for _, _, h in read(cifar, 5, seed=s)]) for s in (0, 1))
    assert not np.array_equal(a, b)


def test_half_of_the_images_are_flipped(tmp_path):
    ramp = np.tile(np.arange(32, dtype=np.uint8)[None, :, None] * 8, [32, 1, 3])
    write_images(tmp_path / "cifar10-train.tfrecord", np.stack([ramp] * 40))
    images = Images(data.lookup("cifar10"), tmp_path)
    flipped = np.concatenate([h[:, 0, 0, 0] > 0 for _, _, h in read(images, 50)])
    assert 0.4 < flipped.mean() < 0.6  # 400 draws: four standard deviations
    write_images(tmp_path / "svhn-train.tfrecord", np.stack([ramp] * 8))
    images = Images(data.lookup("svhn"), tmp_path)
    assert not any((h[:, 0, 0, 0] > 0).any() for _, _, h in read(images, 5))


@pytest.mark.parametrize("downscaler", ["average", "bicubic"])
def test_pairs_and_range(cifar, downscaler):
    _, lores, hires = read(cifar, 1, downscaler=downscaler)[0]
    assert lores.shape == (8, 8, 8, 3) and hires.shape == (8, 32, 32, 3) and hires.dtype == np.float32
    assert hires.min() >= -1 and hires.max() <= 1
    np.testing.assert_allclose(lores, DOWNSCALERS[downscaler](tf.constant(hires), 4), atol=1e-6)
    levels = (hires + 1) * 127.5
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)


def test_celeba_is_cropped_and_area_resized(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, [218, 178, 3], np.uint8)
    picture[:30] = picture[-30:] = 0
    picture[:, :10] = picture[:, -10:] = 0
    records.write(tmp_path / "celeba-test.tfrecord", [records.example(encode_png(picture), attrs=[0.0] * 40)])
    records.write(tmp_path / "celeba-train.tfrecord", [records.example(encode_png(picture))])
    made = Images(data.lookup("celeba128"), tmp_path).test_images()
    edges, pixels = np.arange(129) * 158 / 128, np.arange(158)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    area = np.maximum(overlap, 0) / (158 / 128)
    expected = np.einsum("ih,hwc,jw->ijc", area, picture[30:188, 10:168], area)
    np.testing.assert_allclose((made[0] + 1) * 127.5, expected, atol=0.01)


def test_jpegs_are_read(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(blobs(1)[0]).save(buffer, format="JPEG", quality=95, subsampling=0)
    records.write(tmp_path / "svhn-train.tfrecord", [records.example(buffer.getvalue())] * 8)
    images = Images(data.lookup("svhn"), tmp_path)
    np.testing.assert_allclose((read(images, 1)[0][2][0] + 1) * 127.5, blobs(1)[0], atol=16)


def test_shards_and_extra_files_are_read(tmp_path):
    pictures = blobs(24)
    write_images(tmp_path / "svhn-train-00000-of-00002.tfrecord", pictures[:8])
    write_images(tmp_path / "svhn-train-00001-of-00002.tfrecord", pictures[8:16])
    write_images(tmp_path / "svhn-extra.tfrecord", pictures[16:])
    images = Images(data.lookup("svhn"), tmp_path)
    assert images.counts == [24]
    seen = np.concatenate([h for _, _, h in read(images, 3)])
    sums = np.sort(np.round((seen + 1).sum((1, 2, 3)), 1))
    np.testing.assert_allclose(sums, np.sort(np.round((pictures / 127.5).sum((1, 2, 3)), 1)), atol=0.2)


def test_other_channel_counts_are_skipped(tmp_path):
    mixed = [encode_png(image) for pair in zip(blobs(8), blobs(8, colors=1), strict=True) for image in pair]
    records.write(tmp_path / "cifar10-train.tfrecord", [records.example(image) for image in mixed])
    images = Images(data.lookup("cifar10"), tmp_path)
    images.check()
    whole = read(images, 4, batch=4)
    assert all(hires.shape == (4, 32, 32, 3) for _, _, hires in whole)
    resumed = read(images, 2, batch=4, position=int(whole[1][0]))
    np.testing.assert_array_equal(resumed[0][2], whole[2][2])


def test_only_other_channel_counts_is_an_error(tmp_path):
    write_images(tmp_path / "cifar10-train.tfrecord", blobs(4, colors=1))
    with pytest.raises(UserError, match="3 channels"):
        Images(data.lookup("cifar10"), tmp_path).check()


def test_one_colour(tmp_path):
    write_images(tmp_path / "mnist-train.tfrecord", blobs(8, size=28, colors=1))
    assert read(Images(data.lookup("mnist"), tmp_path), 1)[0][2].shape == (8, 28, 28, 1)


def test_missing_files_say_what_was_looked_for_and_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match=r"celeba-train\.tfrecord.*--data_dir.*create_datasets\.py celeba"):
        Images(data.lookup("celeba64"), tmp_path)


@pytest.mark.parametrize("cut", [3, 40, -5])
def test_truncated_file_is_named(tmp_path, cut):
    path = tmp_path / "cifar10-train.tfrecord"
    write_images(path, blobs(4))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"cifar10-train\.tfrecord is cut short"):
        Images(data.lookup("cifar10"), tmp_path)


def test_empty_file_is_named(tmp_path):
    (tmp_path / "cifar10-train.tfrecord").touch()
    with pytest.raises(UserError, match="is empty"):
        Images(data.lookup("cifar10"), tmp_path)


def test_damaged_record_and_undecodable_image_are_errors(tmp_path):
    path = tmp_path / "cifar10-train.tfrecord"
    write_images(path, blobs(8))
    damaged = bytearray(path.read_bytes())
    damaged[200] ^= 255
    path.write_bytes(damaged)
    images = Images(data.lookup("cifar10"), tmp_path)
    with pytest.raises(UserError, match=r"record 0 of .*cifar10-train\.tfrecord is damaged.*--skip_bad_records"):
        list(itertools.islice(reading(images.batches(**OPTIONS), images.locate_bad), 3))
    records.write(path, [records.example(b"no image at all")] * 8)
    with pytest.raises(UserError, match=r"record 0 of .* is no image"):
        Images(data.lookup("cifar10"), tmp_path).check()


def test_a_record_whose_bytes_no_message_can_quote_is_one_error(tmp_path):
    records.write(tmp_path / "cifar10-train.tfrecord", [b"no example \xd7"] * 8)
    with pytest.raises(UserError, match=r"record 0 of .* is no image"):
        Images(data.lookup("cifar10"), tmp_path).check()


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="does not divide"):
        data.check_sizes(data.lookup("mnist"), 8, "average")
    with pytest.raises(UserError, match="does not divide"):
        data.check_sizes(data.lookup("celeba32"), 64, "average")
    with pytest.raises(UserError, match="bicubic"):
        data.check_sizes(data.lookup("celeba32"), 16, "bicubic")


def test_test_images_are_in_file_order(data_dir, cifar):
    expected = blobs(10, seed=1) / np.float32(127.5) - 1
    np.testing.assert_allclose(cifar.test_images(), expected, atol=1e-6)
    np.testing.assert_allclose(cifar.test_images([7, 0]), expected[[7, 0]], atol=1e-6)
    assert len(cifar.test_images(limit=3)) == 3
    with pytest.raises(UserError, match="10 test images"):
        cifar.test_images([10])


def test_members_of_a_mixture_take_turns(tmp_path):
    names = [m.name for m in data.lookup("all32").members]
    assert names[0] == "celeba32" and len(names) == 13 and "imagenet32" not in names
    mixture = data.Dataset("mix", 32, (), (), "", members=(data.lookup("cifar10"), data.lookup("svhn")))
    write_images(tmp_path / "cifar10-train.tfrecord", np.full([6, 32, 32, 3], 255, np.uint8))
    write_images(tmp_path / "svhn-train.tfrecord", np.zeros([4, 32, 32, 3], np.uint8))
    images = Images(mixture, tmp_path)
    for start in (0, 1):
        bright = np.concatenate([h[:, 0, 0, 0] > 0 for _, _, h in read(images, 3, position=start)])
        np.testing.assert_array_equal(bright, np.arange(start, start + 24) % 2 == 0)


def _spoil(path, checksums=(), images=()):
    """A file of 40 blobs, some records with wrong checksums or undecodable images; returns the sums of the rest."""
    pictures = blobs(40)
    encoded = [b"no image at all" if i in images else encode_png(p) for i, p in enumerate(pictures)]
    records.write(path, [records.example(e) for e in encoded])
    content = bytearray(path.read_bytes())
    for i, offset in enumerate(record_offsets(path)):
        if i in checksums:
            content[offset + 30] ^= 255
    path.write_bytes(content)
    return np.sort([p.sum() / 127.5 for i, p in enumerate(pictures) if i not in {*checksums, *images}])


def test_bad_records_are_named_by_file_and_number(tmp_path):
    path = tmp_path / "cifar10-train.tfrecord"
    for kinds, said in (
        ({"checksums": [7]}, "record 7 of .*checksum"),
        ({"images": [5]}, "record 5 of .* is no image"),
    ):
        _spoil(path, **kinds)
        images = Images(data.lookup("cifar10"), tmp_path)
        with pytest.raises(UserError, match=said):
            list(itertools.islice(reading(images.batches(**OPTIONS), images.locate_bad), 6))


@pytest.mark.parametrize("bad", [b"", b"\x0a\xff\xfe", b"\x9d" * 400, b"\x0a\x02\xfd\xdf"])
def test_a_record_that_is_no_example_is_named(tmp_path, bad):
    path, grey_with_alpha = tmp_path / "cifar10-train.tfrecord", np.zeros([8, 8, 2], np.uint8)
    good = [records.example(encode_png(image)) for image in blobs(8)]
    records.write(path, [records.example(encode_png(grey_with_alpha)), *good, bad, *good])
    images = Images(data.lookup("cifar10"), tmp_path)
    images.check()
    with pytest.raises(UserError, match=r"record 9 of .*cifar10-train\.tfrecord is no image"):
        list(itertools.islice(reading(images.batches(**OPTIONS), images.locate_bad), 6))


def test_bad_records_are_skipped_and_counted_if_asked(tmp_path):
    rest = _spoil(tmp_path / "cifar10-train.tfrecord", checksums=[0, 7, 8, 39], images=[5, 20, 21, 22])
    images = Images(data.lookup("cifar10"), tmp_path, skip_bad_records=True)
    images.check()
    assert images.counts == [36]
    whole = read(images, 8)  # two epochs of 32 usable images
    seen = np.concatenate([(hires + 1).sum((1, 2, 3)) for _, _, hires in whole])
    np.testing.assert_allclose(np.sort(seen[:32]), rest, rtol=1e-4)
    np.testing.assert_allclose(np.sort(seen[32:]), rest, rtol=1e-4)
    assert images.skipped(int(whole[7][0]), 64) in range(12, 17)  # 8 an epoch, the last few perhaps not passed yet
    resumed = read(images, 2, position=int(whole[3][0]))
    np.testing.assert_array_equal(resumed[1][2], whole[5][2])


def test_nothing_but_bad_records_is_an_error(tmp_path):
    _spoil(tmp_path / "cifar10-train.tfrecord", images=range(40))
    with pytest.raises(UserError, match="none of the 40"):
        Images(data.lookup("cifar10"), tmp_path, skip_bad_records=True).check()
    _spoil(tmp_path / "cifar10-train.tfrecord", checksums=range(40))
    with pytest.raises(UserError, match="every training record"):
        Images(data.lookup("cifar10"), tmp_path, skip_bad_records=True)


def test_workers_share_the_stream(cifar):
    alone = read(cifar, 6, batch=8)
    parts = [read(cifar, 6, batch=4, worker=w, workers=2) for w in (0, 1)]
    for i, (position, lores, hires) in enumerate(alone):
        np.testing.assert_array_equal(np.concatenate([part[i][2] for part in parts]), hires)
        np.testing.assert_array_equal(np.concatenate([part[i][1] for part in parts]), lores)
        assert max(part[i][0] for part in parts) == position
    later = [read(cifar, 1, batch=4, position=24, worker=w, workers=2) for w in (0, 1)]
    np.testing.assert_array_equal(np.concatenate([part[0][2] for part in later]), alone[3][2])
