"""The training loop around a method that only counts: what is reported and saved when, and what is shown."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from lag import program
from lag.config import LAGConfig
from lag.model.training import LAG
from libml.datasets.catalogue import lookup
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.training import checkpoint, loop
from libml.training.meters import Meters
from libml.training.progress import ProgressLine
from libml.training.schedule import Phase, Schedule
from tests.support.images import TINY


class Counting(tf.Module):
    """Its loss is the position; it sees phases of 1, 1 and 2 kimg."""

    batches_per_step = 1
    schedule = Schedule((Phase(0, 1024, 1, 1), Phase(1024, 2048, 2, 2), Phase(2048, 4096, 3, 3)))

    def __init__(self):
        super().__init__()
        self.meters, self.seen = Meters(["at"]), tf.Variable(0.0)

    def named_variables(self):
        return {"seen": self.seen}

    def train_step(self, batch, phase, nimg):
        self.seen.assign_add(1.0)
        self.meters.update({"at": tf.constant(float(nimg))}, tf.constant(nimg, tf.int64))

    def report(self, batch, phase, nimg):
        return {"lod": phase.lod(nimg)}


@pytest.fixture
def trained(tiny_config, data_dir):
    """Trains it; returns the run's folder."""

    def train(method=None, **options):
        config = tiny_config(batch=256, **options)
        preview = lambda phase, nimg: np.zeros([2, 2, 3], np.uint8)  # noqa: E731
        loop.train(method or Counting(), config, config.folder, Images(lookup("cifar10"), data_dir), preview)
        return config.folder

    return train


def reports(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_report_is_of_the_steps_since_the_one_before_and_of_their_phase(trained):
    found = reports(trained(save_kimg=9, report_kimg=1))
    positions = [(0, 256, 512, 768), (1024, 1280, 1536, 1792), (2048, 2304, 2560, 2816), (3072, 3328, 3584, 3840)]
    assert [line["kimg"] for line in found] == [1, 2, 3, 4]
    assert [line["at"] for line in found] == [sum(p) / 4 for p in positions]
    assert [line["lod"] for line in found] == [1, 2, 3, 3]


def test_a_run_is_saved_where_a_phase_ends(trained):
    folder = trained(save_kimg=9, report_kimg=9)
    assert [nimg for nimg, _ in checkpoint.list_checkpoints(folder / "tf")] == [1024, 2048, 4096]
    assert [line["kimg"] for line in reports(folder)] == [4]
    assert reports(folder)[0]["at"] == sum(range(0, 4096, 256)) / 16


def test_what_is_not_finite_is_not_saved(trained, tmp_path):
    """Weights are looked at before each checkpoint, not only at reports."""

    class Diverging(Counting):
        def train_step(self, batch, phase, nimg):
            super().train_step(batch, phase, nimg)
            self.seen.assign(np.inf if nimg >= 1536 else 0.0)

    with pytest.raises(UserError, match=r"seen was not finite at image 2048: .*the last good checkpoint is .*1024"):
        trained(Diverging(), save_kimg=1, report_kimg=9)
    folders = [path.name for path in tmp_path.rglob("ckpt-*")]
    assert folders == ["ckpt-0000001024"]


def test_a_description_counts_every_parameter():
    model = LAG(LAGConfig(**{**TINY, "encoder": True}), 3)
    *_, last = program.describe(model).splitlines()
    counts = [int(n.replace(",", "")) for n in re.findall(r"[\d,]+", last)]
    networks = (model.generator, model.projection, model.encoder)
    assert counts == [sum(int(np.prod(v.shape)) for v in network.trainable_variables) for network in networks]


def test_a_scale_that_does_not_fit_is_refused_before_anything_is_made(tiny_config, data_dir):
    config = tiny_config(scale=64)
    with pytest.raises(UserError, match="does not divide the 32 pixels"):
        program.train_and_export(config, config.folder, data_dir=str(data_dir))
    assert not config.folder.exists()


GROWING = Phase(0, 4096, 1, 2)


@pytest.fixture
def clock(monkeypatch):
    """Sets what time the progress line reads."""
    now = [0.0]
    monkeypatch.setattr("libml.training.progress.time.monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


def test_a_line_of_a_run_that_goes_on(clock, capsys):
    """2048 images in 8 s, after 1024 of an earlier start: 256 a second, and as many more take 4 s."""
    clock(0.0)
    progress = ProgressLine(4096, 1024)
    clock(8.0)
    progress.advance(2048)
    progress.show(GROWING, {"gp": 0.123456, "gap": 12.3456, "rmse": 56.789, "data_wait": 0.25}, plain=True)
    progress.show(GROWING, {"loss": 0.123456, "rmse": 56.789, "images_per_second": 99.5}, plain=True)
    progress.close()
    assert capsys.readouterr().out.splitlines() == [
        "lod 1 -> 2  3.0/4 kimg  gap 12.3  rmse 56.8  256 img/s  00:04 left",
        "lod 1 -> 2  3.0/4 kimg  loss 0.123  rmse 56.8  99.5 img/s  00:04 left",
    ]


def test_the_longest_line_fits_80_columns(clock, capsys):
    """Of 10,240 kimg the first 1,024 at an image a second, and the widest numbers."""
    clock(0.0)
    progress = ProgressLine(10240 * 1024, 0)
    clock(1024 * 1024.0)
    progress.advance(1024 * 1024)
    progress.show(GROWING, {"gap": -123456.78, "rmse": 123.45678, "images_per_second": 1234.567}, plain=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line) < 80 and line.endswith("1235 img/s  2621 h left")


def test_a_terminal_shows_a_live_line_and_keeps_that_of_each_report(clock, monkeypatch, capsys):
    clock(0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    progress = ProgressLine(4096, 0)
    clock(4.0)
    assert not progress.due()
    progress.advance(1024)
    progress.show(GROWING, {"gap": 1.0}, plain=True)
    clock(6.0)
    assert progress.due() and not progress.due()
    progress.advance(512)
    progress.show(GROWING, {"gap": 2.0}, plain=False)
    progress.close()
    said = capsys.readouterr()
    assert said.out.splitlines() == ["lod 1 -> 2  1.0/4 kimg  gap 1  256 img/s  00:12 left"]
    assert "lod 1 -> 2  1.5/4 kimg  gap 2  256 img/s  00:10 left" in said.err
    assert said.err.rstrip("\r").split("\r")[-1].strip() == ""  # nothing stays of the live line
