"""Records of several files by number."""

import numpy as np
import pytest
import tensorflow as tf

from libml.datasets.recordfile import record_offsets
from libml.datasets.shards import Shards
from libml.errors import UserError


@pytest.fixture
def groups(tmp_path):
    """Two groups of files with records 'a0', 'a1', ... of different lengths."""
    found = []
    for group in ({"a": 3, "b": 1}, {"c": 2}):
        for name, count in group.items():
            with tf.io.TFRecordWriter(str(tmp_path / name)) as writer:
                for i in range(count):
                    writer.write(f"{name}{i}".encode() * (i + 1))
        found.append([tmp_path / name for name in group])
    return found


def test_records_are_where_their_files_have_them(groups):
    shards = Shards(groups, {})
    assert shards.counts.tolist() == [3, 1, 2] and shards.group_of_file.tolist() == [0, 0, 1]
    numbers = np.array([5, 0, 3, 2, 4, 1])
    found = []
    for file, offset, size in zip(*shards.places(numbers), strict=True):
        record = shards.files[file].read_bytes()[offset : offset + size]
        length = int.from_bytes(record[:8], "little")  # a record: length, CRC of it, data, CRC of that
        assert size == length + 16
        found.append(record[12:-4].decode())
    assert found == ["c1c1", "a0", "b0", "a2a2a2", "c0", "a1a1"]


def test_a_manifest_that_is_wrong_is_named(groups):
    (a, _), _ = groups
    shards = Shards(groups, {a: (a.stat().st_size, 2)})
    assert shards.counts.tolist() == [2, 1, 2]  # believed, as the size is that of the manifest
    with pytest.raises(UserError, match="a has 3 records, its manifest says 2"):
        shards.places(np.array([0]))
    assert Shards(groups, {a: (a.stat().st_size + 1, 2)}).counts.tolist() == [3, 1, 2]


def test_what_is_no_file_of_records_is_named(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "short").write_bytes(b"x" * 11)
    for name in ("folder", "empty", "short", "nothing"):
        with pytest.raises(UserError, match=name):
            list(record_offsets(tmp_path / name))
