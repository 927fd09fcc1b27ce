"""Datasets of Parquet files as a dataset hub has them."""

import io
import json
import os
import resource

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow as tf
from PIL import Image

from libml.datasets import catalogue as data
from libml.datasets import manifest
from libml.datasets.making import check, folder, hub, pictures
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.images import encode_png
from tests.support.images import blobs
from tests.support.programs import mistake, start


def write(file, images, labels=None, column="image", structs=True, names=()) -> None:
    columns = {column: [{"bytes": image, "path": f"{i}.png"} if structs else image for i, image in enumerate(images)]}
    if labels is not None:
        columns["label"] = labels
    table = pyarrow.table(columns)
    if names:
        info = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    file.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, file, row_group_size=5)


def make(source, place, **options) -> dict:
    return folder.make(str(source), "pets", str(place), pictures.PictureOptions(**options), 0.3, 1, False, parquet=True)


def stored(place, split) -> dict[bytes, int]:
    """Pixels -> label."""
    found = {}
    for record in tf.data.TFRecordDataset(str(place / f"pets-{split}.tfrecord")).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        image = np.asarray(Image.open(io.BytesIO(feature["image"].bytes_list.value[0])))
        found[image.tobytes()] = feature["label"].int64_list.value[0]
    return found


def test_splits_and_labels_are_the_hub_s(tmp_path):
    images = blobs(24)
    pngs = [encode_png(image) for image in images]
    write(
        tmp_path / "hub" / "data" / "train-00000-of-00001.parquet",
        pngs[:12],
        [i % 3 for i in range(12)],
        names=["c", "b", "a/x"],
    )
    write(tmp_path / "hub" / "data" / "validation-00000.parquet", pngs[12:16], [2] * 4, names=["c", "b", "a/x"])
    write(
        tmp_path / "hub" / "data" / "test-00000.parquet",
        [*pngs[16:], b"bad", pngs[0]],
        [1] * 10,
        names=["c", "b", "a/x"],
    )
    content = make(tmp_path / "hub", tmp_path / "data")
    assert content["labels"] == ["00000 c", "00001 b", "00002 a_x"] and content["source"] == "hub"
    assert content["split_rule"] == "test if in a Parquet file called test, else train"
    assert content["report"]["unusable"] == 1 and content["report"]["duplicate"] == 1
    train, test = (stored(tmp_path / "data", split) for split in ("train", "test"))
    first = images[0].tobytes()
    expected = {image.tobytes(): i % 3 for i, image in enumerate(images[:12])} | {i.tobytes(): 2 for i in images[12:16]}
    assert {k: v for k, v in train.items() if k != first} == {k: v for k, v in expected.items() if k != first}
    assert {k: v for k, v in test.items() if k != first} == {i.tobytes(): 1 for i in images[16:]}
    assert (first in train) != (first in test)
    images = Images(data.lookup("pets32", tmp_path / "data"), tmp_path / "data")
    assert next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))[2].shape == (4, 32, 32, 3)
    check.check(str(tmp_path / "data"), "pets")
    assert sorted(f.name for f in (tmp_path / "data").iterdir()) == [
        *("pets-report.txt", "pets-sources.jsonl", "pets-test.tfrecord", "pets-train.tfrecord", "pets.json"),
    ]


def test_it_is_what_a_folder_of_the_same_pictures_is(tmp_path):
    pngs = [encode_png(image) for image in blobs(20)]
    write(tmp_path / "hub.parquet", pngs, structs=False, column="img")
    content = make(tmp_path / "hub.parquet", tmp_path / "a")
    (tmp_path / "pictures").mkdir()
    for i, png in enumerate(pngs):
        (tmp_path / "pictures" / f"{i}.png").write_bytes(png)
    same = folder.make(
        str(tmp_path / "pictures"), "pets", str(tmp_path / "b"), pictures.PictureOptions(), 0.3, 1, False
    )
    assert content["split_rule"] == same["split_rule"] and content["labels"] == [""]
    for split in ("train", "test"):
        assert stored(tmp_path / "a", split) == stored(tmp_path / "b", split) != {}


def test_files_whose_pictures_would_be_called_alike_are_told_apart(tmp_path):
    pngs = [encode_png(image) for image in blobs(4)]
    for i, name in enumerate(("a/train", "a-train", "a-train~2", "b/train")):
        write(tmp_path / "hub" / f"{name}.parquet", [pngs[i]])
    hub.unpack(str(tmp_path / "hub"), hub.find_tables(str(tmp_path / "hub")), tmp_path / "made")
    found = {file.name.removesuffix("-00000000.png"): file.read_bytes() for file in (tmp_path / "made").iterdir()}
    assert sorted(found.values()) == sorted(pngs)
    assert found.keys() == {"a-train", "a-train~2", "a-train~3", "b-train"}
    assert found["a-train~2"] == pngs[2] and found["b-train"] == pngs[3]  # called as they were alone


def test_more_files_than_may_be_open(tmp_path):
    png = encode_png(blobs(1)[0])
    for i in range(64):
        write(tmp_path / "hub" / f"{i}.parquet", [png])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 32, hard))
    try:
        hub.unpack(str(tmp_path / "hub"), hub.find_tables(str(tmp_path / "hub")), tmp_path / "made")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [file.read_bytes() for file in (tmp_path / "made").iterdir()] == [png] * 64


def test_mistakes(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.parquet").write_text("text")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "numbers.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"left": [b"a"], "right": [b"a"]}), tmp_path / "two.parquet")
    for name, said in [
        *[("nowhere", "no Parquet files"), ("empty", "no Parquet files"), ("text.parquet", "cannot read")],
        *[("numbers.parquet", "has 0 columns of images"), ("two.parquet", "has 2 columns of images.*left, right")],
    ]:
        with pytest.raises(UserError, match=said):
            make(tmp_path / name, tmp_path / "data")
    assert manifest.load(tmp_path / "data", "pets") is None


def test_the_program(tmp_path):
    write(tmp_path / "hub" / "all.parquet", [encode_png(image) for image in blobs(20)], column="picture")
    program, source = "scripts/create_datasets.py", f"--parquet={tmp_path}/hub"
    done = start(program, source, "--name=pets", f"--data_dir={tmp_path}/data", "--test_fraction=0.3")
    assert done.returncode == 0 and "train with --dataset=pets32" in done.stdout, done.stderr
    assert "--name is missing" in mistake(program, source)
    assert "--input and --parquet are two sources" in mistake(program, source, "--name=pets", "--input=.")
