"""CelebA as people have it, from stand-ins of pictures with official names, to training."""

import errno
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from libml.datasets import catalogue as data
from libml.datasets import manifest
from libml.datasets.making import check, standard
from libml.datasets.originals import celeba, celeba_lists, celeba_parquet
from libml.datasets.originals.sources import Differences, find
from libml.datasets.stream import Images
from libml.errors import UserError
from tests.support.programs import mistake, start
from tests.support.stand_ins import SPLITS, CelebA, jpeg
from tests.support.steps import train_on


@pytest.fixture(scope="module")
def faces():
    return CelebA()


@pytest.fixture(autouse=True)
def counts(monkeypatch):
    """Those of the stand-in, in the place of the official ones."""
    for module in (celeba, celeba_lists, celeba_parquet):
        monkeypatch.setattr(module, "COUNTS", SPLITS)


@pytest.fixture
def files(monkeypatch):
    """Files of the stand-in become the official ones."""

    def official(*paths):
        for path in paths:
            monkeypatch.setitem(
                celeba_lists.FILES, path.name, (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
            )

    return official


def make(source, place, **options) -> dict:
    return standard.make("celeba", str(place), str(place / "tfds"), source=str(source), overwrite=False, **options)


def stored(place, split) -> list[tuple[bytes, int, list[float]]]:
    """(image, label, attributes) of each record."""
    found = []
    for record in tf.data.TFRecordDataset(str(place / f"celeba-{split}.tfrecord")).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        label = feature["label"].int64_list.value[0]
        found.append((feature["image"].bytes_list.value[0], label, list(feature["attrs"].float_list.value)))
    return found


def expected(faces, names, known=True) -> list[tuple[bytes, int, list[float]]]:
    """What should be stored of pictures."""
    if not known:
        return [(faces.images[name], 0, []) for name in names]
    return [(faces.images[n], faces.identities[n] - 1, [float(a) for a in faces.attributes[n]]) for n in names]


def official_lists(faces, place, files):
    faces.write_lists(place)
    files(*(place / name for name in ("list_eval_partition.txt", "identity_CelebA.txt", "list_attr_celeba.txt")))


@pytest.mark.parametrize("named", ["pictures", "holder", "archive", "holder of the archive", "drive"])
def test_pictures_and_lists_as_the_authors_have_them(faces, files, tmp_path, named):
    home = tmp_path / "home"
    official_lists(faces, home / "Eval" if named == "drive" else home, files)
    if "archive" in named or named == "drive":
        pictures = faces.write_archive(home / "Img" if named == "drive" else home)
        files(pictures)
    else:
        pictures = faces.write_folder(home)
    content = make(pictures if named in ("pictures", "archive") else home, tmp_path)
    assert "differences" not in content
    assert stored(tmp_path, "train") == expected(faces, faces.names[:48])
    assert stored(tmp_path, "test") == expected(faces, faces.names[48:])
    check.check(str(tmp_path), "celeba")


def test_a_batch_of_it(faces, tmp_path):
    faces.write_lists(tmp_path)
    make(faces.write_folder(tmp_path), tmp_path)
    images = Images(data.lookup("celeba64"), tmp_path)
    assert images.counts == [48] and len(images.test_images()) == 12
    _, lores, hires = next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))
    assert lores.shape == (4, 16, 16, 3) and hires.shape == (4, 64, 64, 3)
    assert np.isfinite(hires).all() and np.ptp(hires) > 0.2


def commented(picture: bytes, words: str) -> bytes:
    """A JPEG file with a comment: another file, the same picture."""
    return picture[:2] + b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words.encode() + picture[2:]


def test_two_thousand_pictures_around_the_ends_of_the_official_splits(faces, monkeypatch, tmp_path):
    """From the authors' folder and from a hub's Parquet files: the same records, which train."""
    ends = {"train": (161_771, 162_771), "validation": (162_771, 163_371), "test": (182_638, 183_038)}
    numbers = {split: [f"{i:06d}.jpg" for i in range(*ends[split])] for split in ends}
    many = CelebA(dict.fromkeys(SPLITS, 0))
    many.names = [name for names in numbers.values() for name in names]
    pictures = list(faces.images.values())
    many.images = {name: commented(pictures[i % 60], name) for i, name in enumerate(many.names)}
    many.kinds = {name: i for i, names in enumerate(numbers.values()) for name in names}
    many.identities = {name: i + 1 for i, name in enumerate(many.names)}
    many.attributes = {name: [i % 2] * 40 for i, name in enumerate(many.names)}
    for module in (celeba, celeba_lists, celeba_parquet):
        monkeypatch.setattr(module, "COUNTS", {split: len(names) for split, names in numbers.items()})
    many.write_lists(tmp_path)
    for part, names in zip(("train", "valid", "test"), numbers.values(), strict=True):
        many.write_parquet(tmp_path / "hub" / f"{part}-00000-of-00001.parquet", names)
    by_hand = make(many.write_folder(tmp_path), tmp_path / "a")
    assert make(tmp_path / "hub", tmp_path / "b")["splits"] == by_hand["splits"]
    for place in (tmp_path / "a", tmp_path / "b"):
        assert stored(place, "train") == expected(many, [*numbers["train"], *numbers["validation"]])
        assert stored(place, "test") == expected(many, numbers["test"])
        assert train_on("celeba32", place) == (4, 32, 32, 3)


def test_kaggle_s_folders_and_tables(faces, tmp_path):
    inner = faces.write_folder(tmp_path / "kaggle" / "img_align_celeba")
    faces.write_tables(tmp_path / "kaggle")
    content = make(tmp_path / "kaggle", tmp_path / "a")
    assert content["differences"] == ["identity_CelebA.txt is missing: every label is 0"]
    assert stored(tmp_path / "a", "test") == [(i, 0, a) for i, _, a in expected(faces, faces.names[48:])]
    assert make(inner, tmp_path / "b")["splits"] == content["splits"]


def test_pictures_alone_have_the_split_of_their_numbers(faces, tmp_path):
    content = make(faces.write_folder(tmp_path), tmp_path)
    assert [d.split(" is missing")[0] for d in content["differences"]] == [
        *("list_eval_partition.txt", "list_attr_celeba.txt", "identity_CelebA.txt"),
    ]
    assert stored(tmp_path, "train") == expected(faces, faces.names[:48], known=False)
    assert stored(tmp_path, "test") == expected(faces, faces.names[48:], known=False)


def test_each_difference_is_a_line_and_a_smaller_set_is_made(faces, files, tmp_path):
    official_lists(faces, tmp_path, files)
    (tmp_path / "identity_CelebA.txt").write_text((tmp_path / "identity_CelebA.txt").read_text().replace("9", "8"))
    with (tmp_path / "list_attr_celeba.txt").open("a") as file:
        file.write("\n")
    pictures = faces.write_folder(tmp_path)
    for name in faces.names[:3]:
        (pictures / name).unlink()
    (pictures / "000010.jpg").write_bytes(faces.images["000010.jpg"][:-600])
    (pictures / "000055.jpg").write_bytes(jpeg(np.zeros([218, 200, 3], np.uint8)))
    (pictures / "000061.jpg").write_bytes(faces.images["000001.jpg"])
    content = make(pictures, tmp_path)
    size = (tmp_path / "list_attr_celeba.txt").stat().st_size
    assert content["differences"] == [
        "3 of the listed pictures are missing, first 000001.jpg",
        "1 pictures are not listed and left out, first 000061.jpg",
        "its split train has 37 images, officially 40",
        f"{tmp_path / 'list_attr_celeba.txt'} has {size} bytes, officially {size - 1}",
        f"{tmp_path / 'identity_CelebA.txt'} has another SHA256 than the official file",
        "1 pictures are damaged and left out, first 000010.jpg",
        "1 pictures are not of 178 x 218 pixels and left out, first 000055.jpg",
    ]
    kept = [name for name in faces.names[3:48] if name != "000010.jpg"]
    assert [image for image, _, _ in stored(tmp_path, "train")] == [faces.images[name] for name in kept]
    assert manifest.load(tmp_path, "celeba") == content


def test_official_numbers(monkeypatch):
    monkeypatch.undo()
    ends = {"000001": "train", "162770": "train", "162771": "validation", "182637": "validation", "182638": "test"}
    ends |= {"202599": "test", "000000": "", "202600": "", "1": "", "face": ""}
    assert {name: celeba_lists.official_split(name) for name in ends} == ends


NAMES = ("train-00000-of-00001", "valid-00000-of-00001", "test-00000-of-00001")


def write_parts(faces, folder, names) -> Path:
    for name, first, last in zip(names, (0, 40, 48), (40, 48, 60), strict=True):
        faces.write_parquet(folder / f"{name}.parquet", faces.names[first:last])
    return folder


@pytest.mark.parametrize("names", [NAMES, ("train/0", "validation/0", "test/0")])
def test_parquet_files_of_a_hub(faces, tmp_path, names):
    content = make(write_parts(faces, tmp_path / "hub" / "data", names), tmp_path)
    assert "differences" not in content
    assert stored(tmp_path, "train") == expected(faces, faces.names[:48])
    assert stored(tmp_path, "test") == expected(faces, faces.names[48:])


def test_one_parquet_file_is_split_by_the_numbers(faces, tmp_path):
    faces.write_parquet(tmp_path / "hub" / "all.parquet", faces.names[::-1], attributes=False)
    content = make(tmp_path / "hub", tmp_path)
    assert len(content["differences"]) == 2
    assert stored(tmp_path, "test") == expected(faces, faces.names[:47:-1], known=False)
    images = Images(data.lookup("celeba32"), tmp_path)
    assert next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))[2].shape == (4, 32, 32, 3)


def test_what_is_no_celeba_is_one_line(faces, tmp_path):
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "img_align_celeba.zip"
    broken.write_bytes(faces.write_archive(tmp_path / "whole").read_bytes()[:-200])
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.parquet").write_text("no Parquet")
    other = tmp_path / "other"
    shutil.copytree(faces.write_folder(tmp_path), other)
    shutil.rmtree(tmp_path / "img_align_celeba")
    for file in sorted(other.iterdir()):
        file.rename(other / f"face{file.name}")
    for source, said in [
        ("nowhere", "no such file or folder"),
        ("empty", "has no pictures of CelebA"),
        (broken.name, "cut short or no zip"),
        ("text", "cannot read .*a.parquet as a Parquet file"),
        ("other", r"list_eval_partition\.txt is needed"),
    ]:
        with pytest.raises(UserError, match=said) as error:
            make(tmp_path / source, tmp_path / "data")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()


def test_a_set_without_test_images_is_refused(faces, tmp_path):
    faces.write_lists(tmp_path)
    pictures = faces.write_folder(tmp_path)
    for name in faces.names[48:]:
        (pictures / name).write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"too few images of the split test can be used .*12 pictures are damaged"):
        make(pictures, tmp_path / "data")
    assert os.listdir(tmp_path / "data") == []


def test_the_program_says_differences_and_training_takes_what_it_made(faces, tmp_path):
    faces.write_lists(tmp_path)
    pictures = faces.write_folder(tmp_path)
    done = start("scripts/create_datasets.py", "celeba", f"--from={pictures}", f"--data_dir={tmp_path}/data")
    assert done.returncode == 0 and "difference: its split train has 40 images, officially 162770" in done.stdout
    assert "writing celeba: 60 of 60 images" in done.stderr.splitlines()
    small = ["--dataset=celeba32", "--scale=8", "--filters=4", "--repeat=1", "--batch=512", "--total_kimg=1"]
    done = start("edsr.py", *small, f"--data_dir={tmp_path}/data", f"--train_dir={tmp_path}/runs")
    assert done.returncode == 0 and "celeba32: 48 training images" in done.stdout, done.stderr
    assert list(tmp_path.rglob("ckpt-0000001024*"))


def test_mistakes_with_from(tmp_path):
    program = "scripts/create_datasets.py"
    assert "--from needs the name of a standard set" in mistake(program, "--from=.")
    assert "--from is for the original files" in mistake(program, "--from=.", "--input=.", "--name=pets")


@pytest.mark.parametrize("number", ["²", "٣", "-1", "9" * 5000, ""])
def test_identities_that_are_no_numbers_of_theirs_are_none(tmp_path, number):
    (tmp_path / celeba_lists.IDENTITIES).write_text(f"000001.jpg {number}\n000002.jpg 7\n")
    assert celeba_lists.facts(tmp_path, Differences()).identities == {"000002": 7}


def test_links_in_a_circle_are_passed_over(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "wanted").touch()
    assert find(tmp_path, lambda name: name == "wanted") == [tmp_path / "wanted"]


def test_folders_that_cannot_be_read_are_passed_over_but_the_one_that_is_named(tmp_path, monkeypatch, capsys):
    for folder in ("lost+found", "faces/private", "faces/lists"):
        (tmp_path / folder).mkdir(parents=True)
    wanted = tmp_path / "faces" / "lists" / celeba_lists.PARTITION
    wanted.touch()
    locked, real = {"lost+found", "private"}, os.scandir

    def scandir(path):
        if Path(path).name in locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert find(tmp_path, lambda name: name == wanted.name) == [wanted]
    said = capsys.readouterr().err
    assert said.count("Permission denied: passed over") == 2 and said.startswith(f"warning: cannot read {tmp_path}/")
    with pytest.raises(UserError, match=r"cannot read .*private: Permission denied"):
        find(tmp_path / "faces" / "private", lambda name: True)
    locked.add(tmp_path.name)  # beside the folder that is named nothing can be looked for
    assert celeba_lists.find_list(tmp_path / "faces", celeba_lists.PARTITION) == wanted
    assert celeba_lists.find_list(tmp_path / "faces", celeba_lists.IDENTITIES) is None
    assert "private" in (said := capsys.readouterr().err) and "lost+found" not in said
