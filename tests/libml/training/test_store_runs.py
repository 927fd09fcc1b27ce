"""Runs on an object store that renames and appends nothing and lists late, killed at every write."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from libml.errors import UserError
from libml.system.store_path import to_path
from libml.training import checkpoint, loop
from libml.training.meters import Meters
from libml.training.schedule import Phase, Schedule
from tests.stress import scalars
from tests.support.late_store import KilledError

STEP = 13  # of all writes, how many from one death to the next; with 1 each of them takes its turn


class Summing(tf.Module):
    """A method whose one weight depends on all that it was shown, and in what order."""

    batches_per_step = 1
    schedule = Schedule(tuple(Phase(1024 * i, 1024 * (i + 1), i + 1, i + 1) for i in range(5)))

    def __init__(self):
        super().__init__()
        self.meters, self.weight = Meters(["loss"]), tf.Variable(0.0)

    def named_variables(self):
        return {"weight": self.weight}

    def train_step(self, batch, phase, nimg):
        self.weight.assign(self.weight * 0.5 + batch[0])
        self.meters.update({"loss": self.weight + 0.0}, tf.constant(nimg, tf.int64))

    def report(self, batch, phase, nimg):
        return {}


class Numbers:
    """The images of a run, as far as the loop knows them: each a number."""

    dataset, data_dir, skip_bad_records = SimpleNamespace(colors=3), to_path("late://data"), False

    def batches(self, *, batch, position, **_):
        return (
            tf.data.Dataset.range(position // batch, 1 << 40)
            .map(lambda i: ((i + 1) * batch, tf.cast(i % 7, tf.float32), tf.cast(i, tf.float32)))
        )  # fmt: skip

    def locate_bad(self):
        return ""


def train(config, method=None, **options):
    preview = lambda phase, nimg: np.zeros([2, 2, 3], np.uint8)  # noqa: E731
    measures = lambda phase, nimg: {"rmse": float(5000 - nimg)}  # noqa: E731
    method = method or Summing()
    loop.train(method, config, config.folder, Numbers(), preview, evaluation=measures, **options)
    return float(method.weight)


def outcome(config, weight):
    """All that a finished run says, timings aside."""
    lines = map(json.loads, (config.folder / "metrics.jsonl").read_text().splitlines())
    metrics = [[line.get(name) for name in ("kimg", "loss", "eval/rmse")] for line in lines]
    kept = [[nimg for nimg, _ in checkpoint.list_checkpoints(config.folder / at)][-3:] for at in ("tf", "best/tf")]
    best = json.loads((config.folder / "best" / "args" / "args.json").read_text())["best"]
    return weight, metrics, scalars(config.folder), kept, best


def test_a_run_killed_at_a_write_ends_as_one_on_a_disk(late_store, tiny_config, tmp_path):
    """Whatever had been written and whatever listings show: bit for bit, and no report is lost or there twice."""
    options = {"batch": 256, "eval_kimg": 1, "keep_best": "rmse"}
    config = tiny_config(**options)
    straight = outcome(config, train(config))
    assert [nimg // 1024 for nimg in straight[3][0]] == [3, 4, 5] and len(straight[1]) == 10
    deaths = 0
    for n in itertools.count(1, STEP):
        config = tiny_config(**options, train_dir=f"late://runs/{n}")
        late_store.dies_at = n
        try:
            train(config)
        except KilledError:
            deaths += 1
        else:
            break
        late_store.revive()
        assert outcome(config, train(config)) == straight, f"killed at write {n}"
        late_store.revive()
    assert deaths * STEP > 60
    sets = [name for name in late_store.objects() if name.startswith("runs/1/") and "/tf/ckpt-" in name]
    assert len(sets) == 4 * 2  # an index and the data of three checkpoints and the best


@pytest.mark.parametrize("options", [{}, {"eval_kimg": 1, "keep_best": "rmse"}], ids=["saving", "keeping"])
def test_a_second_process_is_refused_and_one_that_lost_its_lease_stops(late_store, tiny_config, options):
    config = tiny_config(batch=256, train_dir="late://runs", **options)
    late_store.dies_at = 10
    with pytest.raises(KilledError):
        train(config)
    late_store.dies_at = 1 << 40
    with pytest.raises(UserError, match=r"another process is training late:.*\(process \d+ of .* another \d+ s"):
        train(config)
    late_store.revive()

    class Robbed(Summing):
        def train_step(self, batch, phase, nimg):
            super().train_step(batch, phase, nimg)
            if nimg == 1280:
                stolen = {"owner": "process 1 of elsewhere", "token": "x", "expires": 1e12}
                (config.folder / ".lock").write_bytes(json.dumps(stolen).encode())

    with pytest.raises(UserError, match=r"process 1 of elsewhere has taken late://.*this process stops"):
        train(config, Robbed())
    for at in ("tf", "best/tf")[: 1 + bool(options)]:
        assert [nimg for nimg, _ in checkpoint.list_checkpoints(config.folder / at)] == [1024]
    assert "elsewhere" in (config.folder / ".lock").read_text()  # what is another's stays


def test_a_run_that_is_reset_forgets_what_no_listing_shows(late_store, tiny_config):
    config = tiny_config(batch=256, train_dir="late://runs")
    late_store.late = 1000
    first = train(config)
    assert checkpoint.list_checkpoints(config.folder / "tf")
    assert outcome_lines(config) and train(config, reset=True) == first
    assert [line["kimg"] for line in outcome_lines(config)] == [1, 2, 3, 4, 5]
    assert len(scalars(config.folder)) == 5


def outcome_lines(config):
    return [json.loads(line) for line in (config.folder / "metrics.jsonl").read_text().splitlines()]
