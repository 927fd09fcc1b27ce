"""What a run tells the world: without double or missing points, however often it goes on."""

import json

import numpy as np

from libml.training.summary import SummaryWriter
from tests.stress import scalars


def test_going_on_takes_back_what_lies_beyond(tmp_path):
    with SummaryWriter(tmp_path, None) as writer:
        for kimg in (1, 2, 3):
            writer.scalars(kimg, {"gp": kimg / 2})
            writer.image(kimg, "picture", np.zeros([4, 4, 3], np.uint8))
    with SummaryWriter(tmp_path, 2) as writer:
        writer.scalars(3, {"gp": 7.0})
    assert scalars(tmp_path) == [(1, "gp", 0.5), (2, "gp", 1.0), (3, "gp", 7.0)]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"kimg": 1, "gp": 0.5}, {"kimg": 2, "gp": 1.0}, {"kimg": 3, "gp": 7.0}]


def test_starting_anew_takes_back_all(tmp_path):
    for value in (1.0, 2.0):
        with SummaryWriter(tmp_path, None) as writer:
            writer.scalars(0, {"gp": value})
    assert scalars(tmp_path) == [(0, "gp", 2.0)]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
