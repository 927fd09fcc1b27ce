"""A dataset's name belongs to the files it was made of: others are noticed, and new ones are added."""

import json
import os
import shutil

import pytest

from libml.datasets import manifest, records
from libml.datasets.making import folder, sources
from libml.datasets.making.pictures import PictureOptions
from libml.errors import UserError
from libml.images import encode_png
from tests.support.images import blobs
from tests.support.programs import mistake, start


def make(source, place, update=False, overwrite=False):
    return folder.make(str(source), "pets", str(place), PictureOptions(), 0.3, 1, overwrite, update=update)


def write_pictures(place, names, seed=0):
    for name, image in zip(names, blobs(len(names), 24, seed=seed), strict=True):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(encode_png(image))


def contents(place) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in place.glob("pets*")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of pictures, one of them twice and one broken, and the set made of it."""
    place = tmp_path_factory.mktemp("made")
    write_pictures(place / "pics", [f"b/{i}.png" for i in range(12)])
    shutil.copy(place / "pics" / "b" / "3.png", place / "pics" / "b" / "again.png")
    (place / "pics" / "b" / "broken.png").write_bytes(b"no picture")
    assert make(place / "pics", place / "data")
    return place


@pytest.fixture
def copied(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def test_the_same_files_elsewhere_are_the_same_source(copied):
    os.rename(copied / "pics", copied / "moved")
    assert make(copied / "moved", copied / "data") is None


@pytest.mark.parametrize(
    "change, said",
    [
        (
            lambda pics: write_pictures(pics, ["b/new.png"], seed=9),
            r"1 are new, 0 are gone, 0 have changed\): --upd",
        ),
        (lambda pics: (pics / "b" / "3.png").unlink(), r"0 are new, 1 are gone, 0 have changed\): --overwrite"),
        (lambda pics: write_pictures(pics, ["b/3.png"], seed=9), r"0 are new, 0 are gone, 1 have changed\): --overw"),
        (lambda pics: os.rename(pics / "b", pics / "c"), r"14 are new, 14 are gone, 0 have changed\): --overwrite"),
    ],
)
def test_other_files_under_the_same_name_are_noticed(copied, change, said):
    before = contents(copied / "data")
    change(copied / "pics")
    with pytest.raises(UserError, match=f"^pets is there, and was made of other files than .*pics .*{said}.*--name"):
        make(copied / "pics", copied / "data")
    assert contents(copied / "data") == before


def test_an_update_reads_only_what_the_set_lacks_and_makes_what_a_fresh_make_would(copied, monkeypatch):
    write_pictures(copied / "pics", [f"a/new{i}.png" for i in range(6)], seed=5)  # "a" becomes the first label
    read, real = [], folder.ordered_map
    monkeypatch.setattr(folder, "ordered_map", lambda f, paths, *more: read.extend(paths) or real(f, paths, *more))
    assert make(copied / "pics", copied / "data", update=True)["labels"] == ["a", "b"]
    assert sorted(read) == [*(f"a/new{i}.png" for i in range(6)), "b/broken.png"]
    make(copied / "pics", copied / "fresh")
    assert contents(copied / "data") == contents(copied / "fresh")
    assert make(copied / "pics", copied / "data", update=True) is None


def test_an_update_tries_again_what_could_not_be_read(copied, tmp_path, monkeypatch):
    package = tmp_path / "packages" / "pillow_heif.py"
    package.parent.mkdir()
    package.write_text("raise ImportError")
    monkeypatch.syspath_prepend(str(package.parent))
    write_pictures(copied / "pics", ["b/phone.heic"], seed=9)
    assert make(copied / "pics", copied / "data", update=True)["report"]["unusable"] == 2
    assert make(copied / "pics", copied / "data", update=True) is None
    package.write_text("def register_heif_opener():\n    pass\n")
    assert make(copied / "pics", copied / "data") is None  # nobody asked for it
    assert make(copied / "pics", copied / "data", update=True)["report"]["unusable"] == 1
    make(copied / "pics", copied / "fresh")
    assert contents(copied / "data") == contents(copied / "fresh")
    assert make(copied / "pics", copied / "data", update=True) is None


def test_an_update_keeps_the_split_and_the_first_of_two(copied):
    old = {split: list(records.images(copied / "data" / f"pets-{split}.tfrecord")) for split in ("train", "test")}
    for i in range(12):
        shutil.copy(copied / "pics" / "b" / f"{i}.png", copied / "pics" / "b" / f"twin{i}.png")
    content = make(copied / "pics", copied / "data", update=True)
    assert content["report"]["duplicate"] == 13
    assert old == {split: list(records.images(copied / "data" / f"pets-{split}.tfrecord")) for split in old}


@pytest.mark.parametrize("spoil", ["gone", "cut", "no json", "other counts"])
def test_a_list_of_sources_that_is_not_the_sets_is_refused(copied, spoil):
    file = copied / "data" / "pets-sources.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    if spoil == "gone":
        file.unlink()
    elif spoil == "cut":
        file.write_text("".join(lines[:-1]))
    elif spoil == "no json":
        file.write_text("{" + "".join(lines))
    else:
        file.write_text("".join(lines).replace('"train"', '"test"'))
    with pytest.raises(UserError, match=r"pets-sources\.jsonl is missing or damaged: .*--overwrite"):
        make(copied / "pics", copied / "data", update=True)
    assert make(copied / "pics", copied / "data", overwrite=True)


def test_sets_of_older_programs_open_and_are_known_by_their_folders_name(copied):
    (copied / "data" / "pets-sources.jsonl").unlink()
    content = manifest.load(copied / "data", "pets")
    del content["fingerprint"], content["sides"]
    (copied / "data" / "pets.json").write_bytes(manifest.encode(content))
    assert make(copied / "pics", copied / "data") is None
    with pytest.raises(UserError, match=r"older program.*--overwrite"):
        make(copied / "pics", copied / "data", update=True)
    os.rename(copied / "pics", copied / "others")
    with pytest.raises(UserError, match="its folder was called pics"):
        make(copied / "others", copied / "data")
    assert manifest.smaller(content, 10**6) == (0, 0)


def test_smaller_pictures_are_counted_by_their_shorter_side(tmp_path):
    write_pictures(tmp_path / "pics", [f"{i}.png" for i in range(8)])
    (tmp_path / "pics" / "large.png").write_bytes(encode_png(blobs(1, 64, seed=3)[0]))
    content = make(tmp_path / "pics", tmp_path)
    assert content["sides"] == {"24": 8, "64": 1}
    assert [manifest.smaller(content, size) for size in (24, 25, 64, 65)] == [(0, 9), (8, 9), (8, 9), (9, 9)]


@pytest.mark.parametrize(("side", "at"), [(5, 8), (31, 24), (32, 32), (33, 32), (100, 96), (375, 128)])
def test_the_side_to_train_at_is_one_that_the_paper_s_scale_divides(side, at):
    assert manifest.training_side({"sides": {str(side): 10}, "image_size": {"max": [side, side]}}) == at


@pytest.mark.parametrize(
    "sides, usual",
    [({"24": 9, "64": 1}, 24), ({"24": 1, "64": 9}, 64), ({"8": 1, "24": 1, "64": 8}, 24), ({}, 70), ({"40": 1}, 40)],
)
def test_the_usual_side_is_one_that_nine_of_ten_images_have(sides, usual):
    assert manifest.usual_side({"sides": sides, "image_size": {"max": [60, 70]}}) == usual


def test_what_is_no_regular_file_has_no_content(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert sources.content_of(tmp_path / "pipe") == sources.content_of(tmp_path / "none") == sources.Content(0, "")


def test_the_program_says_it_and_updates(copied, tmp_path):
    words = ("scripts/create_datasets.py", f"--input={copied}/pics", "--name=pets", f"--data_dir={copied}/data")
    words += ("--test_fraction=0.3", "--workers=1")
    write_pictures(copied / "pics", ["b/new.png"], seed=9)
    assert "1 are new" in mistake(*words)
    done = start(*words, "--update")
    assert done.returncode == 3 and "unusable: b/broken.png: is no PNG" in done.stderr, done.stderr
    assert "train with --dataset=pets24" in done.stdout
    assert start(*words, "--update").stdout == "pets has all that is there; --overwrite makes it again\n"
    assert "leave out --overwrite" in mistake(*words, "--update", "--overwrite")
    assert "--input" in mistake("scripts/create_datasets.py", "cifar10", "--update")
    assert json.loads((copied / "data" / "pets.json").read_text())["fingerprint"]
