"""Datasets on an object store that renames nothing and lists late, made by a program that is killed at every write."""

import itertools
import json

import numpy as np
import pytest

from libml.datasets import manifest
from libml.datasets.catalogue import lookup
from libml.datasets.making import build, check, folder
from libml.datasets.making.pictures import PictureOptions
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.images import encode_png
from libml.system import store_path
from libml.system.store_path import to_path
from tests.support.images import blobs
from tests.support.late_store import KilledError


@pytest.fixture
def pictures(tmp_path):
    place = tmp_path / "pictures"
    place.mkdir()
    for i, image in enumerate(blobs(12)):
        (place / f"{i}.png").write_bytes(encode_png(image))
    return place


def make(pictures, place, size=32, overwrite=False, update=False):
    return folder.make(str(pictures), "pets", str(place), PictureOptions(size=size), 0.3, 1, overwrite, update=update)


def held(place):
    """Test images, and the first training batch."""
    images = Images(lookup("pets32", place), place)
    batch = next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))
    return [images.test_images(), *map(np.asarray, batch)]


def test_a_dataset_killed_at_each_write_is_there_whole_or_not_and_can_be_made_again(late_store, pictures, tmp_path):
    """An older one of other pictures is replaced: its manifest never stands beside the new one's files."""
    content = make(pictures, tmp_path / "disk")
    expected, deaths = held(tmp_path / "disk"), 0
    for n in itertools.count(1):
        place = f"late://data/{n}"
        make(pictures, place, size=16)
        late_store.revive()
        late_store.dies_at = n
        try:
            made = make(pictures, place, overwrite=True)
        except KilledError:
            deaths += 1
            late_store.revive()
            found = manifest.load(to_path(place), "pets")
            assert found is None or manifest.incomplete(found, to_path(place)) == ""
            made = make(pictures, place, overwrite=True)
        else:
            break
        assert made == content
    assert deaths > 8
    check.check(place, "pets")
    for ours, theirs in zip(held(place), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert make(pictures, place) is None  # it is complete
    names = {name.removeprefix(f"data/{n}/") for name in late_store.objects() if name.startswith(f"data/{n}/")}
    assert names == {path.name for path in (tmp_path / "disk").iterdir()} | {".roster.json"}


def test_made_again_in_other_shards_the_old_ones_are_forgotten(late_store, pictures, tmp_path, monkeypatch):
    place = to_path("late://data")
    with monkeypatch.context() as patch:
        patch.setattr(build, "SHARD_BYTES", 3000)
        old = {shard["file"] for shard in manifest.files(make(pictures, place))}
    assert len(old) > 2
    content = make(pictures, place, overwrite=True)
    assert content == make(pictures, tmp_path / "disk")
    check.check(str(place), "pets")
    for ours, theirs in zip(held(place), held(tmp_path / "disk"), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    store_path.enroll(place, {name: [] for name in old})  # as older programs left it
    assert make(pictures, place, overwrite=True) == content
    assert not old & set(store_path.roster(place))


def test_an_update_adds_what_is_new(late_store, pictures, tmp_path):
    place = to_path("late://data")
    make(pictures, place)
    for i, image in enumerate(blobs(4, seed=1)):
        (pictures / f"new{i}.png").write_bytes(encode_png(image))
    assert make(pictures, place, update=True) == make(pictures, tmp_path / "disk")
    check.check(str(place), "pets")
    assert make(pictures, place, update=True) is None


def test_two_do_not_make_the_same_set(late_store, pictures):
    other = {"owner": "process 1 of elsewhere", "token": "x", "expires": 1e12}
    (to_path("late://data") / ".pets.lock").write_bytes(json.dumps(other).encode())
    with pytest.raises(UserError, match=r"another program is making pets in late://data.*process 1 of elsewhere"):
        make(pictures, "late://data")
