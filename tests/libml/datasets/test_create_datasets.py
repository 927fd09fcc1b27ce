"""Standard datasets through TensorFlow Datasets: its own builders, to files, to training batches."""

import functools
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lag.config import LAGConfig
from lag.model.training import LAG
from libml.datasets import catalogue as data
from libml.datasets import manifest, shards
from libml.datasets.making import asked, build, check, fetched, standard
from libml.datasets.originals import celeba_lists, lsun, lsun_archives
from libml.datasets.originals.sources import Differences, decodable
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.images import encode_png
from tests.support import ROOT
from tests.support.images import TINY, blobs, write_images

tfds = pytest.importorskip("tensorflow_datasets")


def first_batch(name: str, place: Path):
    images = Images(data.lookup(name), place)
    images.check()
    return next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))


def features(place: Path, file: str) -> list:
    records = tf.data.TFRecordDataset(str(place / file)).as_numpy_iterator()
    return [tf.train.Example.FromString(record).features.feature for record in records]


def make_mocked(name: str, place: Path, count: int) -> dict:
    with tfds.testing.mock_data(num_examples=count):
        return standard.make(name, str(place), str(place / "tfds"), overwrite=False)


@functools.cache
def model(colors: int) -> LAG:
    return LAG(LAGConfig(**TINY), colors)


def train_a_step(lores: tf.Tensor, hires: tf.Tensor) -> None:
    trained = model(hires.shape[-1])
    before = [v.numpy() for v in trained.generator.trainable_variables]
    trained.train_step((lores, hires), LAGConfig(**TINY).schedule().phases[-1], 0)
    after = [v.numpy() for v in trained.generator.trainable_variables]
    assert all(np.isfinite(a).all() for a in after)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))


LSUN = [name.removeprefix("lsun_") for name in data.STANDARD if name.startswith("lsun_")]
SETS = [name for name in data.STANDARD if name != "imagenet"]


@pytest.mark.parametrize("name", SETS)
def test_mocked_sets_reach_training(name, tmp_path):
    content = make_mocked(name, tmp_path, 6)
    assert {split: entry["images"] for split, entry in content["splits"].items()} == {
        split: 6 * len(sources) for split, sources in data.STANDARD[name].splits.items()
    }
    sized = next(iter(data.STANDARD[name].sized()))
    _, lores, hires = first_batch(sized, tmp_path)
    assert hires.shape[1] == data.lookup(sized).size and lores.shape[-1] == data.lookup(sized).colors
    train_a_step(lores, hires)
    assert len(Images(data.lookup(sized), tmp_path).test_images()) == 6
    check.check(str(tmp_path), name)
    assert make_mocked(name, tmp_path, 6) is None  # complete


def test_mocked_imagenet_has_its_own_layout(tmp_path):
    picture = encode_png(blobs(1)[0])

    def few(self, split, **options):
        count = 1030 if split == "train" else 130
        ds = tf.data.Dataset.range(count).map(lambda i: {"image": picture, "label": i % 1000, "file_name": ""})
        return ds.apply(tf.data.experimental.assert_cardinality(count))

    with tfds.testing.mock_data(num_examples=1, as_dataset_fn=few):
        content = standard.make("imagenet", str(tmp_path), str(tmp_path / "tfds"), overwrite=False)
    assert content["splits"]["train"]["images"] == 1030
    folder = tmp_path / "imagenet-2012-tfrecord"
    assert len(list(folder.glob("train-*-of-01024"))) == 1024
    assert len(list(folder.glob("validation-*-of-00128"))) == 128
    (first, *_) = features(folder, "train-00000-of-01024")
    assert first["image/class/label"].int64_list.value[:] == [1]
    assert first["image/encoded"].bytes_list.value[:] == [picture]
    train_a_step(*first_batch("imagenet32", tmp_path)[1:])
    assert len(Images(data.lookup("imagenet32"), tmp_path).test_images(limit=5)) == 5


def test_celeba_attributes_and_identities_in_the_official_order(tmp_path):
    from tensorflow_datasets.datasets.celeb_a import celeb_a_dataset_builder

    assert list(celeba_lists.ATTRIBUTE_NAMES) == celeb_a_dataset_builder.ATTR_HEADINGS
    made = standard._celeba(
        {
            "image": b"jpeg",
            "attributes": {name: name in ("Male", "Young") for name in sorted(celeba_lists.ATTRIBUTE_NAMES)},
            "identity": {"Identity_No": 2880},
        }
    )
    feature = tf.train.Example.FromString(made).features.feature
    assert feature["label"].int64_list.value[:] == [2879]
    attributes = list(feature["attrs"].float_list.value)
    assert len(attributes) == 40 and [i for i, a in enumerate(attributes) if a] == [20, 39]


def test_a_real_builder_passes_bytes_through(tmp_path):
    source, place = tmp_path / "source", tmp_path / "data"
    pictures = set()
    for split, count in (("train", 12), ("test", 4)):
        for i, image in enumerate(blobs(count, seed=len(split))):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, format="JPEG" if i % 2 else "PNG")
            folder = source / split / ("ab"[i % 2])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i}.{'jpg' if i % 2 else 'png'}").write_bytes(buffer.getvalue())
            pictures.add((buffer.getvalue(), i % 2))
    plan = data.STANDARD["cifar10"]
    with build.building(place, "cifar10") as work:
        content = standard.write(fetched.prepared(tfds.ImageFolder(str(source)), plan), plan, work)
        build.publish(work, place, content)
    found = [f for split in ("train", "test") for f in features(place, f"cifar10-{split}.tfrecord")]
    assert {(f["image"].bytes_list.value[0], f["label"].int64_list.value[0]) for f in found} == pictures
    train_a_step(*first_batch("cifar10", place)[1:])
    check.check(str(place), "cifar10")


def test_lsun_archives_are_read_by_the_real_builder(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    folders = {}
    for split, count in (("train", 6), ("val", 3)):
        folders[split] = str(tmp_path / split)
        place = tmp_path / split / f"tower_{split}_lmdb"
        place.mkdir(parents=True)
        with lmdb.open(str(place), map_size=1 << 24) as archive, archive.begin(write=True) as transaction:
            for i, image in enumerate(blobs(count, 40, seed=count)):
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, format="JPEG")
                transaction.put(f"{i:040x}".encode(), buffer.getvalue())
    manager = "tensorflow_datasets.core.download.download_manager.DownloadManager.download_and_extract"
    with mock.patch(manager, return_value=folders):
        content = standard.make("lsun_tower", str(tmp_path), str(tmp_path / "tfds"), overwrite=False)
    assert [entry["images"] for entry in content["splits"].values()] == [6, 3]
    assert first_batch("lsun_tower32", tmp_path)[2].shape == (4, 32, 32, 3)


def test_lsun_categories_are_those_of_tfds_and_of_the_reader():
    from tensorflow_datasets.image import lsun as theirs

    assert set(theirs._SCENES_CATEGORIES) == set(LSUN) == set(lsun_archives.COUNTS)


def test_a_failed_download_says_what_to_fetch(tmp_path):
    """Names that resolve nowhere: what a computer without the internet meets."""
    blocked = OSError("Name or service not known")
    offline = mock.patch("socket.getaddrinfo", side_effect=blocked)
    with offline, mock.patch("time.sleep"), pytest.raises(UserError) as error:
        standard.make("mnist", str(tmp_path), str(tmp_path / "tfds"), overwrite=False)
    text = str(error.value)
    assert "\n" not in text and "mnist could not be fetched" in text
    assert "train-images-idx3-ubyte.gz" in text and str(tmp_path / "tfds" / "downloads" / "manual") in text
    assert not [f for f in tmp_path.iterdir() if f.name != "tfds"]


def test_imagenet_says_what_to_register_for(tmp_path):
    with pytest.raises(UserError, match=r"ILSVRC2012_img_train\.tar.*downloads/manual.*image-net\.org"):
        standard.make("imagenet", str(tmp_path), str(tmp_path / "tfds"), overwrite=False)


def test_a_missing_package_is_named(tmp_path):
    def absent(name):
        if name == "lmdb":
            raise ImportError(name)
        return importlib.__import__(name)

    patched = mock.patch.object(fetched.importlib, "import_module", absent)
    with patched, pytest.raises(UserError, match="pip install lmdb"):
        standard.make("lsun_kitchen", str(tmp_path), str(tmp_path / "tfds"), overwrite=False)


def test_every_standard_set_is_read_from_files_at_hand_and_has_records(tmp_path):
    """A set's row names a reader, which says what it misses, and a kind of record."""
    for row in data.STANDARD.values():
        with pytest.raises(UserError, match="--from"):
            standard.at_hand(row, str(tmp_path / "nowhere"))
        assert row.record in standard.RECORDS and row.test in row.splits


def test_names_and_groups():
    assert asked.expand(["svhn", "lsun", "svhn"]) == ["svhn", *(f"lsun_{c}" for c in LSUN)]
    assert asked.expand(["all"]) == list(data.STANDARD)
    with pytest.raises(UserError, match=r"svhn_256 is no standard dataset; did you mean svhn\?"):
        asked.expand(["svhn_256"])


def test_files_of_other_makes_are_not_overwritten(tmp_path):
    write_images(tmp_path / "cifar10-train.tfrecord", blobs(4))
    before = (tmp_path / "cifar10-train.tfrecord").read_bytes()
    with pytest.raises(UserError, match=r"cifar10-train\.tfrecord is in the way.*--overwrite"):
        make_mocked("cifar10", tmp_path, 6)
    assert (tmp_path / "cifar10-train.tfrecord").read_bytes() == before


def test_one_that_fails_does_not_stop_the_others(tmp_path):
    for split in ("train", "test"):
        write_images(tmp_path / f"mnist-{split}.tfrecord", blobs(4))
    make_mocked("cifar10", tmp_path, 6)
    program = [sys.executable, str(ROOT / "scripts" / "create_datasets.py"), "mnist", "cifar10"]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([*program, f"--data_dir={tmp_path}"], env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "cifar10 is complete" in done.stdout
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1


def test_all_is_made_of_what_is_there(tmp_path, capsys):
    with pytest.raises(UserError, match=r"no dataset of all32.*celeba32.*create_datasets\.py all"):
        Images(data.lookup("all32"), tmp_path)
    for name, count in (("cifar10", 6), ("svhn", 5)):
        for split in ("train", "test"):
            write_images(tmp_path / f"{name}-{split}.tfrecord", blobs(count))
    images = Images(data.lookup("all32"), tmp_path)
    said = capsys.readouterr().err.strip().splitlines()
    assert said == [said[0]] and said[0].startswith("all32 is made of cifar10, svhn; missing: celeba32, lsun_bedroom32")
    assert images.counts == [6, 5]
    assert next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))[2].shape == (4, 32, 32, 3)
    assert len(images.test_images()) == 11


def test_shards_must_be_all_there_and_of_one_making(tmp_path):
    dataset = data.lookup("cifar10")
    for i in range(3):
        write_images(tmp_path / f"cifar10-train-{i:05d}-of-00003.tfrecord", blobs(4, seed=i))
    assert Images(dataset, tmp_path).counts == [12]
    write_images(tmp_path / "cifar10-train.tfrecord", blobs(4))
    with pytest.raises(UserError, match="twice"):
        Images(dataset, tmp_path)
    (tmp_path / "cifar10-train.tfrecord").unlink()
    (tmp_path / "cifar10-train-00001-of-00003.tfrecord").unlink()
    with pytest.raises(UserError, match="has 2 of the 3 files"):
        Images(dataset, tmp_path)


def test_counts_of_a_manifest_save_the_counting(tmp_path, monkeypatch):
    make_mocked("cifar10", tmp_path, 6)
    with monkeypatch.context() as patched:
        patched.setattr(shards, "record_offsets", None)
        assert Images(data.lookup("cifar10"), tmp_path).counts == [6]
    write_images(tmp_path / "cifar10-train.tfrecord", blobs(9))  # of another size than the manifest says
    assert Images(data.lookup("cifar10"), tmp_path).counts == [9]
    (tmp_path / "cifar10.json").write_text("{broken")
    assert manifest.load(tmp_path, "cifar10") is None
    assert Images(data.lookup("cifar10"), tmp_path).counts == [9]


def test_splits_are_those_of_the_sources():
    """CelebA trains on its validation images, too; LSUN and ImageNet have no other test images than theirs."""
    usual = {"train": ("train",), "test": ("test",)}
    expected = {
        **{"cifar10": usual, "mnist": usual, "svhn": {**usual, "extra": ("extra",)}},
        "celeba": {"train": ("train", "validation"), "test": ("test",)},
        "imagenet": {"train": ("train",), "validation": ("validation",)},
        **{f"lsun_{category}": {"train": ("train",), "val": ("validation",)} for category in LSUN},
    }
    assert {name: of.splits for name, of in data.STANDARD.items()} == expected


def test_lsun_images_are_numbered_as_the_archive_has_them(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(tmp_path / "bedroom_train_lmdb")) as archive, archive.begin(write=True) as transaction:
        for key, image in ((b"b", b"second"), (b"c", b"third"), (b"a", b"first")):  # the archive sorts them
            transaction.put(key, image)
    found = [(n, f["id"], f["image"].read()) for n, f in lsun.examples(str(tmp_path), "bedroom_train_lmdb")]
    assert found == [(0, "a", b"first"), (1, "b", b"second"), (2, "c", b"third")]


def test_webp_becomes_png_which_training_can_decode():
    buffer, image = io.BytesIO(), blobs(1)[0]
    Image.fromarray(image).save(buffer, format="WEBP", lossless=True)
    found = Differences()
    np.testing.assert_array_equal(tf.io.decode_png(decodable(buffer.getvalue(), found)), image)
    assert len(found.lines()) == 1 and "WebP" in found.lines()[0]
    assert decodable(b"\xff\xd8 a JPEG file", found) == b"\xff\xd8 a JPEG file"
