"""Arrays on the disk."""

import os

import numpy as np
import pytest

from libml.errors import UserError
from libml.system.scratch import on_disk


def test_an_array_is_kept_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array, other = on_disk([3, 4], np.uint8), on_disk([2], np.float32)
    assert array.shape == (3, 4) and not array.any() and other.dtype == np.float32
    array[1] = 7
    assert array.sum() == 28 and list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    room = os.statvfs(tmp_path)
    with pytest.raises(UserError, match=f"cannot write to {tmp_path}: No space left"):
        on_disk([room.f_blocks, room.f_frsize], np.uint8)
