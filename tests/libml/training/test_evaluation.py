"""Measures during training, of generators whose measures are known by how they are made; what is kept as the best."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from libml.errors import UserError
from libml.sampler import CandidateSampler
from libml.training.best import Best
from libml.training.config import MEASURES, OF_SAMPLES, RunConfig
from libml.training.evaluation import Evaluation
from libml.training.run_folder import load_args
from libml.training.schedule import Phase
from tests.support.images import blobs

PHASE = Phase(0, 1024, 2, 2)
HIRES = (blobs(20) / 127.5 - 1).astype(np.float32)
CONFIG = RunConfig(eval_kimg=1, eval_images=20)


class Cloud(CandidateSampler):
    """Normal grey levels about each truth, which it knows by its first LR pixel, or about another centre."""

    scale = 4

    def __init__(self, spread=0.0, away=0.0):
        """Args: standard deviation of the samples; what their centres add to the truths [N, H, W, 3], grey levels."""
        self.spread, self.centers = spread, HIRES + np.float32(away / 127.5)

    def noise_shapes(self, h, w):
        return [(4 * h, 4 * w, 3)] if self.spread else []

    def __call__(self, lores, *noise):
        corners = HIRES[:, :4, :4].mean(axis=(1, 2))
        which = [np.abs(corners - y[0, 0]).sum(axis=1).argmin() for y in lores]
        grain = np.float32(self.spread / 127.5) * noise[0] if noise else 0
        return self.centers[which] + grain


def measure(sampler, config=CONFIG):
    return Evaluation(lambda phase, nimg: sampler, config, HIRES)(PHASE, 0)


def test_a_generator_of_the_truth_makes_no_error():
    values = measure(Cloud())
    assert set(values) == set(MEASURES) - set(OF_SAMPLES)
    assert values["rmse"] == 0 and values["lr_error"] < 1e-4
    chance = values["swd"]  # patches lie at places of their own
    noisy = measure(Cloud(away=np.random.default_rng(0).normal(0, 20, HIRES.shape)))
    assert 0 < chance < noisy["swd"] / 2


def test_errors_are_in_grey_levels():
    values, levels = measure(Cloud(away=7)), np.rint((HIRES + 1) * 127.5)
    assert values["rmse"] == pytest.approx(np.sqrt(np.square(np.clip(levels + 7, 0, 255) - levels).mean()), rel=1e-5)
    assert values["lr_error"] == pytest.approx(7, abs=1e-3)  # of what is not clipped


def test_samples_about_the_truth_are_twice_the_spread_and_beyond_it():
    """x + sN: |x - G| is s, |G - G'| is s sqrt(2), the LR error s sqrt(2 / pi) / 4; x lies in the middle."""
    values, s = measure(Cloud(spread=6.0)), 6.0
    assert values["diversity"] == pytest.approx(s * 2**0.5, rel=0.03)  # some levels are clipped
    assert values["spread"] == pytest.approx(2**0.5, rel=0.01)
    assert values["energy"] == pytest.approx(s - s * 2**0.5 / 2, rel=0.05)
    assert values["lr_error"] == pytest.approx(s * (2 / np.pi) ** 0.5 / 4, rel=0.03)
    assert values["rank"] == 0 and values["rmse"] == 0


def test_the_rank_counts_samples_nearer_to_the_centre_than_the_truth():
    assert measure(Cloud(away=40.0, spread=1.0))["rank"] == 1
    assert measure(Cloud(away=4.0, spread=40.0))["rank"] == 0
    drawn = np.random.default_rng(0).normal(0, 6, HIRES.shape)  # the truth is one of the cloud
    assert 0.25 < measure(Cloud(away=drawn, spread=6.0))["rank"] < 0.75


def test_measures_are_the_same_each_time_and_of_the_runs_seed():
    sampler = Cloud(spread=6.0)
    assert measure(sampler) == measure(sampler)
    assert measure(sampler) != measure(sampler, dataclasses.replace(CONFIG, seed=1))


def test_a_method_without_noise_cannot_keep_the_best_of_samples():
    for name in MEASURES:
        config = dataclasses.replace(CONFIG, keep_best=name)
        check = Evaluation(lambda phase, nimg: Cloud(), config, HIRES).check
        if name in OF_SAMPLES:
            with pytest.raises(UserError, match=f"--keep_best={name} .* use swd, lr_error, rmse"):
                check(PHASE)
        else:
            check(PHASE)
        Evaluation(lambda phase, nimg: Cloud(spread=1.0), config, HIRES).check(PHASE)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"eval_kimg": -1}, "--eval_kimg=-1 cannot be negative"),
        ({"eval_images": 1}, "--eval_images=1 must be at least 2"),
        ({"keep_best": "swd"}, "--keep_best=swd needs --eval_kimg=N"),
        ({"eval_kimg": 1, "keep_best": "fid"}, "--keep_best=fid is unknown: use swd, lr_error"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        RunConfig(**options).validate()


@pytest.fixture
def keep(tmp_path):
    """Offers values of one measure, one after another at 1, 2, ... kimg; the positions that were kept.

    What is saved is how often something was kept.
    """
    state = tf.Variable(0)

    def offer(name, *values, first=1, **options):
        config = dataclasses.replace(CONFIG, keep_best=name, **options)
        kept = []
        for kimg, value in enumerate(values, first):
            best = Best(config, tmp_path, tf.train.Checkpoint(state=state), {"colors": 3})  # as after an interruption
            if best.beaten_by({name: value}):
                state.assign_add(1)
                best.keep(kimg * 1024, {name: value})
                kept.append(kimg)
        return kept

    return offer


@pytest.mark.parametrize(
    "name, values, kept",
    [
        ("swd", (5.0, 6.0, 4.0, 4.0, float("nan"), 3.0), [1, 3, 6]),
        ("energy", (5.0, -1.0, -2.0, 0.0), [1, 2, 3]),
        ("diversity", (5.0, 6.0, 4.0, 7.0), [1, 2, 4]),
        ("spread", (0.5, 1.5, 0.8, 1.3, 1.1), [1, 2, 3, 5]),
        ("rank", (1.0, 0.2, 0.6, 0.45, 0.9), [1, 2, 3, 4]),
    ],
)
def test_better_is_lower_higher_or_nearer_to_what_is_right(keep, name, values, kept):
    assert keep(name, *values) == kept


def test_the_best_is_a_run_of_one_checkpoint(keep, tmp_path):
    keep("swd", 5.0, 4.0, 6.0)
    assert [path.name for path in (tmp_path / "best" / "tf").iterdir()] == ["ckpt-0000002048"]
    args = load_args(tmp_path / "best")
    assert args["best"] == {"measure": "swd", "images": 20, "value": 4.0, "kimg": 2}
    assert args["colors"] == 3 and args["dataset"] == CONFIG.dataset
    read = tf.Variable(0)
    tf.train.Checkpoint(state=read).read(str(tmp_path / "best" / "tf" / "ckpt-0000002048" / "model"))
    assert int(read) == 2


def test_the_best_of_a_run_that_has_gone_back_is_what_it_says(keep, tmp_path):
    folder, read = tmp_path / "best" / "tf", tf.Variable(0)
    assert keep("swd", 5.0, first=9) == [9]
    (folder / ".ckpt-0000009216.tmp1").mkdir()  # of a process that was killed
    for saved, (kimg, value) in enumerate([(7, 4.0), (7, 3.0), (8, 2.0)], 2):
        assert keep("swd", value, first=kimg) == [kimg]
        assert [path.name for path in folder.iterdir()] == [f"ckpt-{kimg * 1024:010}"]
        tf.train.Checkpoint(state=read).read(str(folder / f"ckpt-{kimg * 1024:010}" / "model"))
        assert int(read) == saved and load_args(tmp_path / "best")["best"]["kimg"] == kimg


def test_another_measure_or_number_of_images_starts_anew(keep, tmp_path):
    assert keep("swd", 5.0) == [1]
    assert keep("rmse", 50.0, first=2) == [2]
    assert keep("rmse", 51.0, first=3) == []
    assert keep("rmse", 52.0, first=4, eval_images=10) == [4]
    path = tmp_path / "best" / "args" / "args.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "best": {"value": "none"}}))
    assert keep("rmse", 53.0, first=5, eval_images=10) == [5]
