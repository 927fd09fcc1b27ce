"""Manifests that somebody has changed, or that were damaged."""

import copy
import errno
import json
from pathlib import Path

import pytest

from libml.datasets import catalogue as data
from libml.datasets import manifest
from libml.datasets.making import asked, build
from libml.errors import UserError

SHARD = {"file": "pets-train.tfrecord", "records": 3, "bytes": 100, "sha256": "0" * 64}
GOOD = {
    "format": 1,
    "name": "pets",
    "kind": "folder",
    "colors": 3,
    "image_size": {"min": [8, 8], "max": [16, 16]},
    "splits": {
        "train": {"images": 3, "files": [SHARD]},
        "test": {"images": 3, "files": [SHARD | {"file": "pets-test.tfrecord"}]},
    },
}


def write(folder, content) -> None:
    (folder / "pets.json").write_text(content if isinstance(content, str) else json.dumps(content))


def changed(path: str, value) -> dict:
    """GOOD with another value at a path; without it where the value is ...."""
    content = copy.deepcopy(GOOD)
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("/"))
    place = content
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


def test_a_good_one(tmp_path):
    write(tmp_path, GOOD)
    assert manifest.load(tmp_path, "pets") == GOOD
    assert data.lookup("pets16", tmp_path).colors == 3


FILE, SIZE = "splits/train/files/0", "image_size/max"


@pytest.mark.parametrize(
    "path, value",
    [
        *(("kind", value) for value in (..., None, "x", [], {})),
        *(("colors", value) for value in (..., 0, 2, True, "3", 3.0, [3])),
        *(("image_size", value) for value in (..., None, [], {}, 16)),
        *((SIZE, value) for value in (..., None, [], [16], [16, "x"], [16, 0], [16, -1], [16, 1e300], [True, 16], 16)),
        *(
            ("splits", value)
            for value in (None, [], "train", 3, {"": GOOD["splits"]["train"]}, {"*": {}}, {"../x": {}})
        ),
        *(("splits/train", value) for value in (None, [], {}, "x")),
        *(("splits/train/images", value) for value in (..., None, "3", -1, 1.5)),
        *(("splits/train/files", value) for value in (..., None, {}, "x", ["x"], [None], [{}])),
        *((f"{FILE}/file", value) for value in (..., None, "", 3, "/etc/passwd", "../x", "a/../../x", "a\0b", ["x"])),
        *((f"{FILE}/records", value) for value in (..., None, -1, "3", 1.5, 2**63, float("nan"))),
        *((f"{FILE}/bytes", value) for value in (..., None, -1, "3", 2**63)),
        *((f"{FILE}/sha256", value) for value in (..., None, 3, ["x"])),
    ],
)
def test_a_damaged_one_is_refused_by_name(tmp_path, path, value):
    write(tmp_path, changed(path, value))
    with pytest.raises(UserError, match=rf"{tmp_path}/pets\.json is damaged \(.+\)"):
        manifest.load(tmp_path, "pets")


def test_files_of_others_that_are_damaged_or_cannot_be_read_are_in_nobodys_way(tmp_path, monkeypatch):
    write(tmp_path, GOOD)
    other = changed("splits", None) | {"name": "other"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    (tmp_path / "locked.json").touch()
    real = Path.read_bytes

    def read_bytes(path):
        if path.name == "locked.json":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert data.lookup("pets16", tmp_path).base == "pets"
    with pytest.raises(UserError, match=rf"unknown dataset 'pest16'; did you mean pets16\?; {tmp_path} has pets, --"):
        data.lookup("pest16", tmp_path)
    assert str(asked.not_made(str(tmp_path), "pest")).endswith(f"datasets in {tmp_path}: pets; did you mean pets?")
    for name, said in [
        ("other", r"other\.json is damaged"),
        ("locked", r"cannot read .*locked\.json: Permission denied"),
    ]:
        with pytest.raises(UserError, match=said):
            data.lookup(f"{name}16", tmp_path)


def test_nesting_without_end_is_no_manifest(tmp_path):
    write(tmp_path, '{"a":' * 100_000)
    assert manifest.load(tmp_path, "pets") is None


@pytest.mark.parametrize("name", ["pets²", "pets٣", "pets" + "9" * 5000])
def test_sizes_that_are_no_numbers_of_ours(tmp_path, name):
    write(tmp_path, GOOD)
    with pytest.raises(UserError, match="pets"):
        data.lookup(name, tmp_path)


def test_what_is_ready_is_kept_where_its_manifest_is_damaged(tmp_path):
    ready = tmp_path / ".pets.ready"
    ready.mkdir()
    (ready / "pets-train.tfrecord").write_bytes(b"x")
    for text in ("", "{}", json.dumps(changed("splits", None))):
        (ready / "pets.json").write_text(text)
        with pytest.raises(UserError, match=r"\.pets\.ready"):
            build.finish_publishing(tmp_path, "pets")
        assert (ready / "pets-train.tfrecord").read_bytes() == b"x" and (ready / "pets.json").read_text() == text
