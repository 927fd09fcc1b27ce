"""Standard sets made of original files at hand, each a tiny one that the test writes, to training steps."""

import dataclasses
import gzip
import io
import os
import pickle
import tarfile

import numpy as np
import pytest
import scipy.io
import tensorflow as tf
from PIL import Image

from libml.datasets import catalogue as data
from libml.datasets import manifest
from libml.datasets.making import check, standard
from libml.datasets.originals import cifar10, imagenet, lsun_archives, mnist, svhn
from libml.errors import UserError
from tests.support.images import blobs
from tests.support.stand_ins import jpeg
from tests.support.steps import train_on

LABELS = np.arange(12) % 10


def make(name, source, place) -> dict:
    return standard.make(name, str(place), str(place / "tfds"), source=str(source), overwrite=False)


def stored(place, file, image="image", label="label") -> list[tuple[bytes, int]]:
    found = []
    for record in tf.data.TFRecordDataset(str(place / file)).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        found.append((feature[image].bytes_list.value[0], feature[label].int64_list.value[0]))
    return found


def arrays(place, file) -> tuple[np.ndarray, list[int]]:
    """Decoded images and labels."""
    images, labels = zip(*stored(place, file), strict=True)
    return np.stack([tf.io.decode_png(image) for image in images]), list(labels)


def expect(place, file, images, labels) -> None:
    found, numbers = arrays(place, file)
    np.testing.assert_array_equal(found, images)
    assert numbers == list(labels)


def python2_pickle(images: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 wrote it: names are bytes, numpy is numpy.core."""
    content = pickle.dumps({b"data": images, b"labels": labels, b"batch_label": b"a batch"}, protocol=2)
    return content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def cifar_batches(binary: bool) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    """(files, training images, test images)."""
    images = blobs(12)
    rows = images.transpose(0, 3, 1, 2).reshape(12, -1)
    files = {}
    for name, part in [(f"data_batch_{i + 1}", slice(2 * i, 2 * i + 2)) for i in range(5)] + [
        ("test_batch", slice(10, 12))
    ]:
        if binary:
            files[f"{name}.bin"] = np.concatenate([LABELS[part, None].astype(np.uint8), rows[part]], 1).tobytes()
        else:
            files[name] = python2_pickle(rows[part], LABELS[part].tolist())
    return files, images[:10], images[10:]


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_cifar10(tmp_path, monkeypatch, binary, archived):
    monkeypatch.setattr(cifar10, "COUNTS", {"train": 10, "test": 2})
    monkeypatch.setattr(cifar10, "MD5", {})
    monkeypatch.setattr(cifar10, "ARCHIVES", {"cifar.tar.gz": {}})
    files, train, test = cifar_batches(binary)
    source = tmp_path / "source"
    (source / "batches").mkdir(parents=True)
    if archived:
        with tarfile.open(source / "cifar.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"batches/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    for name, content in () if archived else files.items():
        (source / "batches" / name).write_bytes(content)
    content = make("cifar10", source, tmp_path)
    assert "differences" not in content
    expect(tmp_path, "cifar10-train.tfrecord", train, LABELS[:10])
    expect(tmp_path, "cifar10-test.tfrecord", test, LABELS[10:])
    assert train_on("cifar10", tmp_path) == (4, 32, 32, 3)
    check.check(str(tmp_path), "cifar10")


@pytest.mark.parametrize("form", ["gz", "xz", "bz2"])
def test_a_damaged_archive_of_cifar10_is_one_line(tmp_path, monkeypatch, form):
    monkeypatch.setattr(cifar10, "ARCHIVES", {"cifar.tar.gz": {}})
    file = tmp_path / "cifar.tar.gz"
    with tarfile.open(file, f"w:{form}") as archive:
        for name, content in cifar_batches(binary=True)[0].items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    half = file.stat().st_size // 2
    file.write_bytes(file.read_bytes()[:half] + np.random.default_rng(0).bytes(half))
    with pytest.raises(UserError, match=r"cifar\.tar\.gz is damaged or no tar archive .*: fetch it again$"):
        make("cifar10", tmp_path, tmp_path / "data")


def test_cifar10_in_parts_and_harmful(tmp_path):
    files, _, _ = cifar_batches(binary=False)
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / name).write_bytes(files[name])
    differences = make("cifar10", tmp_path, tmp_path / "data")["differences"]
    assert "data_batch_2, data_batch_3, data_batch_4, data_batch_5 of its split train is missing" in differences
    assert "its split train has 2 images, officially 50000" in differences
    assert "test_batch has another MD5 than the official file" in differences

    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harmed"),)

    for content in (
        pickle.dumps(Harmful()),
        files["test_batch"][:-100],
        b"",
        pickle.dumps({"data": [1], "labels": [1]}),
    ):
        (tmp_path / "test_batch").write_bytes(content)
        with pytest.raises(UserError, match="batch test_batch cannot be read"):
            make("cifar10", tmp_path, tmp_path / "other")
    assert not (tmp_path / "harmed").exists() and not (tmp_path / "other").exists()


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("form", ["{}.gz", "{}", "dotted"])
def test_mnist(tmp_path, monkeypatch, form):
    monkeypatch.setattr(mnist, "COUNTS", {"train": 8, "test": 4})
    monkeypatch.setattr(mnist, "SHA256", {})
    images = blobs(12, 28, colors=1)
    for split, part in (("train", slice(8)), ("t10k", slice(8, 12))):
        for name, array in (
            (f"{split}-images-idx3-ubyte", images[part, ..., 0]),
            (f"{split}-labels-idx1-ubyte", LABELS[part]),
        ):
            file = tmp_path / (name.replace("-idx", ".idx") if form == "dotted" else form.format(name))
            file.write_bytes(gzip.compress(idx(array)) if form.endswith("gz") else idx(array))
    assert "differences" not in make("mnist", tmp_path, tmp_path)
    expect(tmp_path, "mnist-train.tfrecord", images[:8], LABELS[:8])
    expect(tmp_path, "mnist-test.tfrecord", images[8:], LABELS[8:])
    assert train_on("mnist", tmp_path) == (4, 28, 28, 1)
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(UserError, match=f"{file.name} is damaged"):
        make("mnist", tmp_path, tmp_path / "other")


def test_svhn(tmp_path, monkeypatch):
    monkeypatch.setattr(svhn, "COUNTS", {"train": 5, "test": 3, "extra": 4})
    images, splits = blobs(12), {"train": slice(5), "test": slice(5, 8), "extra": slice(8, 12)}
    for split, part in splits.items():
        digits = np.where(LABELS[part] == 0, 10, LABELS[part])[:, None]
        scipy.io.savemat(tmp_path / f"{split}_32x32.mat", {"X": images[part].transpose(1, 2, 3, 0), "y": digits})
    content = make("svhn", tmp_path, tmp_path)
    assert all("bytes, officially" in line for line in content["differences"]) and len(content["differences"]) == 3
    for split, part in splits.items():
        expect(tmp_path, f"svhn-{split}.tfrecord", images[part], LABELS[part])
    assert train_on("svhn", tmp_path) == (4, 32, 32, 3)
    (tmp_path / "extra_32x32.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(UserError, match=r"extra_32x32\.mat is damaged"):
        make("svhn", tmp_path, tmp_path / "other")


def write_archive(place, images: list[bytes]) -> None:
    lmdb = pytest.importorskip("lmdb")
    place.mkdir(parents=True)
    with lmdb.open(str(place), map_size=1 << 24) as archive, archive.begin(write=True) as transaction:
        for i, image in enumerate(images):
            transaction.put(f"{i:040x}".encode(), image)


@pytest.mark.parametrize("named", ["holder", "folder"])
def test_lsun(tmp_path, monkeypatch, named):
    monkeypatch.setitem(lsun_archives.COUNTS, "tower", 7)
    images = [jpeg(image) for image in blobs(10, 40)]
    buffer = io.BytesIO()
    Image.fromarray(blobs(1, 40, seed=1)[0]).save(buffer, format="WEBP", lossless=True)
    write_archive(tmp_path / "lsun" / "tower_train_lmdb", [*images[:5], b"damaged", buffer.getvalue()])
    write_archive(tmp_path / "lsun" / "tower_val_lmdb", images[6:9])
    source = tmp_path / "lsun" if named == "holder" else tmp_path / "lsun" / "tower_train_lmdb"
    content = make("lsun_tower", source, tmp_path)
    assert content["differences"][0] == "its split validation has 3 images, officially 300"
    assert [line.split(", first")[0] for line in content["differences"][1:]] == [
        *("1 pictures are damaged and left out", "1 pictures are WebP and stored as PNG"),
    ]
    *kept, (webp, _) = stored(tmp_path, "lsun_tower-train.tfrecord")
    assert kept == [(image, 0) for image in images[:5]]
    np.testing.assert_array_equal(tf.io.decode_png(webp), blobs(1, 40, seed=1)[0])
    assert stored(tmp_path, "lsun_tower-val.tfrecord") == [(image, 0) for image in images[6:9]]
    assert train_on("lsun_tower32", tmp_path) == (4, 32, 32, 3)
    with pytest.raises(UserError, match=r"has no bridge_train_lmdb/data\.mdb"):
        make("lsun_bridge", source, tmp_path)
    archive = tmp_path / "lsun" / "tower_val_lmdb" / "data.mdb"
    whole = archive.read_bytes()
    # LMDB maps the file: where a page is missing, reading it is a bus error.
    for damaged, reason in ((b"x" * 9000, "INVALID"), (whole[: 2 * 4096], "Bus error")):
        archive.write_bytes(damaged)
        with pytest.raises(UserError, match=f"tower_val_lmdb is damaged .*{reason}"):
            make("lsun_tower", source, tmp_path / "other")
    assert not [f.name for f in (tmp_path / "other").iterdir() if f.suffix == ".tfrecord"]


def test_a_damaged_webp_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setitem(lsun_archives.COUNTS, "tower", 4)
    monkeypatch.setattr(lsun_archives, "VALIDATION", 3)
    images = [jpeg(image) for image in blobs(6, 40)]
    buffer = io.BytesIO()
    Image.fromarray(blobs(1, 40, seed=1)[0]).save(buffer, format="WEBP", lossless=True)
    damaged = buffer.getvalue()[:34].ljust(len(buffer.getvalue()), b"\xff")  # its head is whole
    write_archive(tmp_path / "tower_train_lmdb", [*images[:2], damaged, images[2]])
    write_archive(tmp_path / "tower_val_lmdb", images[3:])
    content = make("lsun_tower", tmp_path, tmp_path)
    assert content["differences"] == [f"1 pictures are damaged and left out, first a WebP of {len(damaged)} bytes"]
    assert stored(tmp_path, "lsun_tower-train.tfrecord") == [(image, 0) for image in images[:3]]


CLASSES = ("n01440764", "n01443537", "n15075141")  # the first, the second and the last


@pytest.fixture
def few_shards(monkeypatch):
    """ImageNet in 8 and 4 files instead of 1024 and 128."""
    few = dataclasses.replace(data.STANDARD["imagenet"], shards={"train": 8, "validation": 4})
    monkeypatch.setitem(data.STANDARD, "imagenet", few)


def test_imagenet(tmp_path, monkeypatch, few_shards):
    monkeypatch.setattr(imagenet, "COUNTS", {"train": 31, "validation": 12})
    images = [jpeg(image) for image in blobs(6, 40)]
    home = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    for i, name in enumerate(CLASSES):
        (home / "train" / name).mkdir(parents=True)
        for j in range(10 + (i == 0)):
            (home / "train" / name / f"{name}_{j}.JPEG").write_bytes(images[i])
    (home / "train" / CLASSES[0] / "bad.JPEG").write_bytes(b"bad")
    (home / "train" / CLASSES[0] / f"{CLASSES[0]}_0.JPEG").unlink()
    (home / "val").mkdir()
    for i in range(12):
        folder = home / "val" / CLASSES[i % 3]
        folder.mkdir(exist_ok=True)
        (folder / f"ILSVRC2012_val_{i + 1:08d}.JPEG").write_bytes(images[3 + i % 3])
    content = make("imagenet", tmp_path / "ILSVRC", tmp_path)
    assert content["differences"] == [
        "its split train has 3 classes, officially 1000",
        f"1 pictures are damaged and left out, first {CLASSES[0]}/bad.JPEG",
    ]
    assert content["splits"]["train"]["images"] == 30
    names = [entry["file"] for entry in content["splits"]["train"]["files"]]
    keys = {"image": "image/encoded", "label": "image/class/label"}
    found = [pair for name in names for pair in stored(tmp_path, name, **keys)]
    assert set(found) == {(images[0], 1), (images[1], 2), (images[2], 1000)}
    assert {number for _, number in found[:10]} == {1, 2, 1000}  # not class by class
    names = [entry["file"] for entry in content["splits"]["validation"]["files"]]
    labels = {number for name in names for _, number in stored(tmp_path, name, **keys)}
    assert labels == {1, 2, 1000}
    assert train_on("imagenet32", tmp_path) == (4, 32, 32, 3)


def test_flat_validation_pictures_have_the_official_labels(tmp_path):
    for name in ("train/n01440764/a.JPEG", "val/ILSVRC2012_val_00000001.JPEG", "val/ILSVRC2012_val_00000293.JPEG"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jpeg(blobs(1)[0]))
    labels = [features["label"] for features in imagenet.read(str(tmp_path)).splits["validation"].images()]
    assert sorted(labels) == [0, 65]  # a tench, a sea snake
    (tmp_path / "val" / "else.JPEG").write_bytes(jpeg(blobs(1)[0]))
    with pytest.raises(UserError, match=r"nothing tells the class of .*else\.JPEG"):
        imagenet.read(str(tmp_path))


@pytest.mark.parametrize("name", ["celeba", "cifar10", "imagenet", "mnist", "svhn", "lsun_tower"])
@pytest.mark.parametrize("kind", ["nowhere", "empty", "a file"])
def test_originals_that_are_not_there_are_one_line(tmp_path, name, kind):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("a text")
    with pytest.raises(UserError) as error:
        make(name, tmp_path / kind, tmp_path / "data")
    assert "--from" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()
    assert manifest.load(tmp_path / "data", name) is None
