"""`import lag`: arrays in, arrays out; the same images as those of scripts/upscale.py."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import lag
from lag.formats import saved_model as export
from lag.formats.registry import load_model
from lag.trained import load_critic, load_trained
from lag.upscaling.choosing import Options
from lag.upscaling.folder import upscale_all
from lag.upscaling.one_picture import generated_levels
from libml.images import round_levels, to_uint8
from tests.support import ROOT


@pytest.fixture(scope="module")
def model(run):
    return lag.load(run)


def picture(h=5, w=7, colors=3, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, [h, w, colors], np.uint8)


def differ(a: np.ndarray, b: np.ndarray) -> int:
    """The largest difference of two 8-bit pictures; 1 can be a value that rounds either way."""
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    return int(np.max(np.abs(a.astype(int) - b)))


@pytest.mark.parametrize("seed", [0, 3])
def test_the_same_images_as_the_program(run, model, seed, tmp_path):
    for name, y in {"rgb": picture(), "grey": picture(colors=1), "large": picture(3, 70)}.items():
        Image.fromarray(y[..., 0] if y.shape[-1] == 1 else y).save(tmp_path / f"{name}.png")
        options = Options(samples=3, noise=0.7, seed=seed)
        upscale_all(load_model(run), None, tmp_path / f"{name}.png", tmp_path / name, options)
        files = [np.array(Image.open(tmp_path / name / f"{name}_{i}.png")) for i in range(3)]
        files = [f[..., None] if f.ndim == 2 else f for f in files]
        assert differ(model.center(y), files[0]) <= 1
        made = model.sample(y, n=2, noise=0.7, seed=seed)
        assert differ(made, np.stack(files[1:])) <= 1 and differ(made[0], made[1]) > 9


def test_a_grey_picture_s_colours_are_averaged_as_the_program_averages_them(run, monkeypatch):
    model, otherwise = lag.load(run), 0
    for seed in range(8):
        images = np.random.default_rng(seed).uniform(-1, 1, [1, 256, 256, 3]).astype(np.float32)
        monkeypatch.setattr(model, "_generator", model._generator._replace(generate=lambda lores, z, made=images: made))
        expected = round_levels(generated_levels(images, 1))
        otherwise += np.sum(expected != to_uint8(images.mean(-1, keepdims=True)))
        assert np.array_equal(model.center(picture(64, 64, 1)), expected[0])
    assert otherwise  # few are rounded otherwise where the colours are averaged first


def test_floats_give_the_same_images_as_bytes(model):
    y = picture()
    floats = y.astype(np.float64) / 127.5 - 1
    made = model.sample(floats, n=2)
    assert made.dtype == np.float32 and made.shape == (2, 20, 28, 3) and np.max(np.abs(made)) <= 1
    assert differ(to_uint8(made), model.sample(y, n=2)) <= 1
    trained = load_trained(model._path)
    lores = (y[None] * np.float32(2 / 255) - 1).astype(np.float32)
    center = trained.sampler()(lores, np.zeros([1, 5, 7, 2], np.float32))[0]
    np.testing.assert_allclose(model.center(floats), np.clip(center, -1, 1), atol=1e-5)


def test_a_batch_is_its_pictures_one_by_one(model):
    batch = np.stack([picture(seed=i) for i in range(3)])
    assert model.center(batch).shape == (3, 20, 28, 3)
    made = model.sample(batch, n=6)  # 18 images: more than one call of the generator makes
    assert made.shape == (3, 6, 20, 28, 3)
    for y, images, center in zip(batch, made, model.center(batch), strict=True):
        assert differ(images, model.sample(y, n=6)) <= 1
        assert differ(images[:2], model.sample(y, n=2)) <= 1
        assert differ(center, model.center(y)) <= 1


def test_an_export_has_the_run_s_images_and_no_critic(run, model, tmp_path):
    export.export_run(run, tmp_path / "export")
    exported, y = lag.load(tmp_path / "export"), picture()
    assert differ(exported.sample(y, n=2), model.sample(y, n=2)) <= 1
    assert exported.card["fingerprint"] == model.card["fingerprint"]
    with pytest.raises(lag.UserError, match=r"rank needs the critic, which .*export lacks: load a run's folder"):
        exported.rank(y, exported.sample(y))


def test_the_card_says_what_the_model_is(model):
    expected = {"method": "LAG", "scale": 4, "colors": 3, "dataset": "cifar10", "downscaler": "average", "nimg": 3072}
    assert {k: model.card[k] for k in expected} == expected
    assert (model.scale, model.colors) == (4, 3) and len(model.card["fingerprint"]) == 16
    assert repr(model) == "<lag.Model LAG 4x of cifar10, 3072 images seen>"


def test_rank_is_the_critic_s_score(run, model):
    y, critic = picture(4, 4), load_critic(run)
    images = model.sample(y, n=3)
    lores = np.repeat(y[None], 3, axis=0) * np.float32(2 / 255) - 1
    expected = critic.scores(critic.project(images * np.float32(2 / 255) - 1, lores))
    scores = model.rank(y, images)
    assert scores.shape == (3,) and scores.dtype == np.float32 and np.ptp(scores) > 0
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.rank(y, images / 127.5 - 1), expected, rtol=1e-4, atol=1e-5)
    other = picture(4, 4, seed=1)
    both = model.rank(np.stack([y, other]), np.stack([images, model.sample(other, n=3)]))
    assert both.shape == (2, 3)
    np.testing.assert_allclose(both[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda m: m.center(picture()[..., 0]), r"y has the shape \[5, 7\]: give"),
        (lambda m: m.center(picture(colors=4)), r"y has the shape \[5, 7, 4\]: .* C is 3 \(or 1: grey\)"),
        (lambda m: m.center(picture(0)), r"y has the shape \[0, 7, 3\]"),
        (lambda m: m.center(picture().astype(int)), "y is of type int64: give uint8, or float"),
        (lambda m: m.center(picture() / 1.0), r"y has values outside of \[-1, 1\]"),
        (lambda m: m.center(picture() * np.nan), r"y has values outside of \[-1, 1\]"),
        (lambda m: m.sample(picture(), n=0), "n=0 must be"),
        (lambda m: m.sample(picture(), n=2.0), "n=2.0 must be"),
        (lambda m: m.sample(picture(), noise=-1), "noise=-1 must be"),
        (lambda m: m.sample(picture(), noise=float("nan")), "noise=nan must be"),
        (lambda m: m.sample(picture(), seed=0.5), "seed=0.5 must be"),
        (lambda m: m.rank(picture(), picture(20, 28)), r"shape \[20, 28, 3\]: images of this y are \[n, 20, 28, 3\]"),
        (lambda m: m.rank(picture()[None], m.sample(picture())), r"images of this y are \[1, n, 20, 28, 3\]"),
        (lambda m: m.rank(picture(), m.sample(picture())[:0]), r"shape \[0, 20, 28, 3\]: images of this y are \[n, 20"),
        (lambda m: lag.load("nowhere"), "nowhere is neither a run folder"),
    ],
)
def test_mistakes_are_one_line(model, call, said):
    with pytest.raises(lag.UserError, match=said) as raised:
        call(model)
    assert "\n" not in str(raised.value)


def test_import_lag_waits_for_no_library():
    check = (
        "import sys, lag; assert set(lag.__all__) <= set(dir(lag)) and not hasattr(lag, 'nothing');"
        "print({'numpy', 'tensorflow', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr
