"""Runs of the compared methods are upscaled with, exported and drawn, as LAG's are."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from cgan import CGAN
from edsr import EDSR
from lag.any_method import load_any
from lag.figures import paper as figures
from lag.figures.inputs import Inputs
from lag.formats import saved_model
from lag.formats.registry import load_model
from lag.trained import load_critic
from lag.upscaling.one_picture import upscale
from lag.upscaling.picture_file import Picture
from libml.errors import UserError
from libml.images import to_float
from libml.training.checkpoint import Checkpoints
from libml.training.run_folder import save_args
from srgan import SRGAN
from srgan2 import SRGAN2
from tests.support.images import blobs
from tests.support.programs import mistake, start

KIMG = 1024
OPTIONS = {
    EDSR: {"filters": 4, "repeat": 2},
    SRGAN: {"filters": 4, "blocks": 1, "pcp_weight": 0.0},
    SRGAN2: {"filters": 4, "blocks": 2, "pcp_weight": 0.0},
    CGAN: {"filters": 2, "blocks": 1, "noise": 2},
}


@pytest.fixture(scope="module", params=OPTIONS, ids=lambda kind: kind.__name__)
def run(request, tmp_path_factory):
    """(method's class, a run's folder with random weights and statistics)."""
    kind = request.param
    config = kind.config_type(dataset="cifar10", train_dir=str(tmp_path_factory.mktemp("runs")), **OPTIONS[kind])
    save_args(config, config.folder, colors=3)
    method = kind(config, 3, 32)
    for i, v in enumerate(method.generator.variables):
        if "moving" in v.path:
            v.assign(v + abs(tf.random.stateless_normal(v.shape, [1, i])) / 10)
    Checkpoints(config.folder / "tf", tf.train.Checkpoint(method=method)).save(KIMG)
    return kind, config.folder


def picture(height, width):
    pixels = np.random.default_rng(0).integers(0, 256, [height, width, 3]).astype(np.float32)
    return Picture(pixels, None, "", "content")


def test_a_picture_becomes_what_the_sampler_makes_of_it(run):
    kind, folder = run
    model, sampler = load_model(folder), load_any(folder).sampler()
    assert (model.card["method"], model.noise_dim > 0) == (kind.config_type.method, kind is CGAN)
    small = picture(6, 5)
    zeros = [np.zeros([1, *shape], np.float32) for shape in sampler.noise_shapes(6, 5)]
    made = model.generate(small.lores(3), np.zeros([1, 6, 5, model.noise_dim], np.float32))
    np.testing.assert_allclose(made, sampler(small.lores(3), *zeros), atol=1e-5)
    assert made.shape == (1, 24, 20, 3)


def test_tiles_make_what_one_piece_makes(run):
    _, folder = run
    model, small = load_model(folder), picture(40, 3)
    whole, tiled = ([r.pixels for r in upscale(model, small, range(2), 1.0, 0, tile, False)] for tile in (64, 2))
    for a, b in zip(whole, tiled, strict=True):
        assert np.max(np.abs(a.astype(int) - b)) <= 1
    assert np.any(whole[0] != whole[1]) == (model.noise_dim > 0)


def test_the_radius_is_how_far_a_pixel_reaches(run):
    _, folder = run
    trained = load_any(folder)
    for v in trained.variables:
        if len(v.shape) == 4:  # a convolution: means, which no ReLU stops
            v.assign(tf.ones(v.shape) / np.prod(v.shape[:3]))
        elif "moving_mean" in v.path:
            v.assign(tf.zeros(v.shape))
    side = 2 * trained.radius + 5
    lores, middle, n = (
        tf.random.stateless_uniform([1, side, side, 3], [0, 0], 0.001, 0.01),
        side // 2,
        trained.config.scale,
    )
    with tf.GradientTape() as tape:
        tape.watch(lores)
        made = trained.images(lores, tf.zeros([1, side, side, trained.noise_dim]))
        seen = tf.reduce_sum(made[:, n * middle : n * (middle + 1), n * middle : n * (middle + 1)])
    reached = np.abs(tape.gradient(seen, lores).numpy()).max((0, 3)) > 0
    distance = np.abs(np.argwhere(reached) - middle).max()
    assert trained.radius - 1 <= distance <= trained.radius


def test_noise_of_several_sizes_is_packed_in_one_map():
    generator = CGAN.make_generator(CGAN.config_type(**OPTIONS[CGAN]), 3)
    z = np.random.default_rng(0).normal(size=[2, 3, 5, generator.packed_channels]).astype(np.float32)
    small, large = generator.unpacked(z)
    assert [tuple(m.shape[1:]) for m in (small, large)] == generator.noise_shapes(3, 5) == [(3, 5, 2), (6, 10, 2)]
    np.testing.assert_array_equal(small, z[..., :2])
    np.testing.assert_array_equal(large[0, 2:4, 6:8], z[0, 1, 3, 2:].reshape(2, 2, 2))  # the pixel at 1, 3


def test_an_export_makes_the_same_and_says_what_it_is(run, tmp_path):
    kind, folder = run
    card = saved_model.export_run(folder, tmp_path / "model")
    name = kind.config_type.method
    assert card["kind"] == f"{name} generator" and card["scale"] == 4
    text = (tmp_path / "model" / "README.md").read_text()
    assert f"# {name} 4x" in text and f"The generator of {name}, one of the methods" in text and "- lag" not in text
    small, z = picture(5, 6).lores(3), np.ones([1, 5, 6, card["noise_dim"]], np.float32)
    made = load_model(tmp_path / "model").generate(small, z)
    np.testing.assert_allclose(made, load_model(folder).generate(small, z), atol=1e-5)


def test_figures(run):
    kind, folder = run
    hires = to_float(blobs(1, 32)[:1].astype(np.float32))
    inputs, sampler = Inputs(hires, [0], "average", 4), load_any(folder).sampler()
    columns = 5 if kind is CGAN else 3
    assert len(figures.candidates(sampler, inputs, 3, 0, "title").columns) == columns
    assert len(figures.mirror(sampler, inputs, 3, "title").rows) == 2
    assert len(figures.progress(folder, inputs, 0, 4, "title").columns) == (4 if kind is CGAN else 3)


def test_what_only_lag_has_is_refused_in_those_words(run):
    kind, folder = run
    with pytest.raises(UserError, match=f"is a run of {kind.config_type.method}: ranking needs the critic of a run of"):
        load_critic(folder)


def test_one_result_of_a_method_without_noise(tmp_path, data_dir):
    config = EDSR.config_type(dataset="cifar10", train_dir=str(tmp_path), name="plain", **OPTIONS[EDSR])
    save_args(config, config.folder, colors=3, data_dir=str(data_dir))
    Checkpoints(config.folder / "tf", tf.train.Checkpoint(method=EDSR(config, 3, 32))).save(KIMG)
    Image.fromarray(blobs(1, 8)[0]).save(tmp_path / "a.png")
    words = ("scripts/upscale.py", f"--model={tmp_path}/plain", f"--input={tmp_path}/a.png", f"--output={tmp_path}/out")
    done = start(*words)
    assert done.returncode == 0, done.stderr
    assert [f.name for f in sorted((tmp_path / "out").glob("*.png"))] == ["a_0.png"]
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["model"]
    assert "EDSR takes no noise, so a picture has one result" in mistake(*words, "--samples=3")
    assert "ranking needs the critic of a run of LAG" in mistake(*words, "--best=1")
    done = start("scripts/figures.py", f"--run={tmp_path}", "--samples=0", f"--output={tmp_path}/c.png")
    assert done.returncode == 0, done.stderr
