"""Kinds of files that upscaling writes."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from lag.upscaling.choosing import Options
from lag.upscaling.consistency import lores_errors, project
from lag.upscaling.folder import upscale_all
from tests.support.images import blobs
from tests.support.programs import mistake
from tests.support.untrained import untrained_run


@pytest.fixture
def small(tmp_path):
    """Three pictures: RGB, grey, RGB with transparency."""
    (tmp_path / "in").mkdir()
    image, alpha = blobs(1, 8)[0], np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8, 1)
    Image.fromarray(image).save(tmp_path / "in" / "rgb.png")
    Image.fromarray(image[..., 0]).save(tmp_path / "in" / "grey.png")
    Image.fromarray(np.concatenate([image, alpha], -1)).save(tmp_path / "in" / "clear.png")
    return tmp_path / "in"


def test_16_bits(model, small, tmp_path):
    options = {"samples": 2, "grid": True}
    assert upscale_all(model, None, small, tmp_path / "plain", Options(**options)) == 0
    for form, suffix in (("png", "png"), ("tiff", "tif")):
        out = tmp_path / form
        assert upscale_all(model, None, small, out, Options(**options, bits=16, format=form)) == 0
        for name in ("rgb_0", "grey_1", "clear_1"):
            if form == "png":
                found = tf.io.decode_png((out / f"{name}.png").read_bytes(), dtype=tf.uint16).numpy()
            else:
                found = tifffile.imread(out / f"{name}.{suffix}")
            plain = np.asarray(Image.open(tmp_path / "plain" / f"{name}.png"))
            found = found.reshape(*plain.shape)
            assert found.dtype == np.uint16 and len(np.unique(found % 257)) > 50  # more than the 8 bits
            np.testing.assert_allclose(found / 257, plain, atol=0.501)
        assert (out / "rgb_grid.png").read_bytes() == (tmp_path / "plain" / "rgb_grid.png").read_bytes()


def test_16_bits_consistent(model, small, tmp_path):
    assert upscale_all(model, None, small, tmp_path / "out", Options(samples=1, bits=16, consistent=True)) == 0
    large = tf.io.decode_png((tmp_path / "out" / "rgb_0.png").read_bytes(), dtype=tf.uint16).numpy().astype(float)
    means = large.reshape(8, 4, 8, 4, 3).mean((1, 3))
    np.testing.assert_array_equal(means, 257.0 * np.asarray(Image.open(small / "rgb.png")))


@pytest.mark.parametrize("scale", [2, 8])
def test_projection_is_exact_in_16_bits(scale):
    rng = np.random.default_rng(scale)
    lores = rng.choice([0, 1, 3, 127, 200, 254, 255], [2, 6, 5, 3])
    fitted = project(rng.normal(128, 200, [2, 6 * scale, 5 * scale, 3]), lores, scale, bits=16)
    assert fitted.dtype == np.uint16 and np.max(np.abs(lores_errors(fitted, lores, scale))) < 1e-9
    hires = rng.uniform(100, 150, [1, scale, scale, 1])
    expected = 257 * (hires + 120 - hires.mean())
    assert np.max(np.abs(project(hires, np.full([1, 1, 1, 1], 120), scale, bits=16) - expected)) < 1


@pytest.mark.parametrize("form, suffix, mode", [("webp", "webp", "WEBP"), ("tiff", "tif", "TIFF")])
def test_lossless_formats_hold_what_png_holds(model, small, tmp_path, form, suffix, mode):
    assert upscale_all(model, None, small, tmp_path / "png", Options(samples=1)) == 0
    assert upscale_all(model, None, small, tmp_path / form, Options(samples=1, format=form)) == 0
    for name in ("rgb_0", "grey_0", "clear_0"):
        expected = Image.open(tmp_path / "png" / f"{name}.png")
        found = Image.open(tmp_path / form / f"{name}.{suffix}")
        assert found.format == mode
        np.testing.assert_array_equal(np.asarray(found.convert(expected.mode)), np.asarray(expected))


def test_jpeg(model, small, tmp_path, capsys):
    assert upscale_all(model, None, small, tmp_path / "png", Options(samples=1)) == 0
    capsys.readouterr()
    assert upscale_all(model, None, small, tmp_path / "out", Options(samples=1, format="jpeg")) == 1
    assert "clear.png: it has transparent pixels, which JPEG files cannot have" in capsys.readouterr().err
    found = Image.open(tmp_path / "out" / "rgb_0.jpg")
    assert found.format == "JPEG" and found.size == (32, 32)
    difference = np.asarray(found, float) - np.asarray(Image.open(tmp_path / "png" / "rgb_0.png"))
    assert np.mean(np.abs(difference)) < 8
    assert upscale_all(model, None, small, tmp_path / "out", Options(samples=1, format="jpeg")) == 1
    assert "0 upscaled, 2 done before, 1 failed" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_jpeg_says_that_it_loses_what_consistent_makes(model, small, tmp_path, capsys, form):
    (small / "clear.png").unlink()
    upscale_all(model, None, small, tmp_path / "out", Options(samples=1, format=form, consistent=True))
    made = np.asarray(Image.open(next((tmp_path / "out").glob("rgb_0.*"))), float)
    means = made.reshape(8, 4, 8, 4, 3).mean((1, 3))
    assert (np.abs(means - np.asarray(Image.open(small / "rgb.png"))).max() > 0.1) == (form == "jpeg")
    said = "--format=jpeg changes pixels, so box means are a little off; png, webp, tiff keep them"
    assert (said in capsys.readouterr().out) == (form == "jpeg")


def test_folders_of_before_there_were_formats_go_on(model, small, tmp_path, capsys):
    upscale_all(model, None, small, tmp_path / "out", Options(samples=1))
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    del settings["format"], settings["bits"]
    (tmp_path / "out" / "settings.json").write_text(json.dumps(settings))
    capsys.readouterr()
    assert upscale_all(model, None, small, tmp_path / "out", Options(samples=1)) == 0
    assert "0 upscaled, 3 done before" in capsys.readouterr().out
    flags = ["scripts/upscale.py", f"--input={small}", f"--output={tmp_path}/out"]
    run = untrained_run(tmp_path / "runs")
    assert "--format=webp has 8 bits a channel" in mistake(*flags, f"--model={run}", "--format=webp", "--bits=16")


def test_a_side_that_a_format_cannot_have_is_one_line(model, tmp_path, capsys):
    Image.new("L", (4200, 1), 90).save(tmp_path / "wide.png")
    options = Options(samples=1, format="webp", tile=4200)
    assert upscale_all(model, None, tmp_path / "wide.png", tmp_path / "out", options) == 1
    assert "16800 x 4 pixels, a webp file at most 16383 a side" in capsys.readouterr().err
