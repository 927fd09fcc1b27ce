"""The stress test, small."""

from tests.stress import stress


def test_a_run_killed_three_times_ends_as_one_that_was_not(tmp_path):
    assert stress(tmp_path, kills=3, kimg=1, longest=2.0, scale=4, alone=False) == []
