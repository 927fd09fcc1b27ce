"""Small pictures of every kind to sets of large ones."""

import csv
import hashlib
import io
import os
import shutil
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import lag
from lag.formats import saved_model as export
from lag.formats.registry import load_model
from lag.model.networks import Generator, receptive_radius
from lag.trained import load_critic, load_trained
from lag.upscaling import choosing as ranking
from lag.upscaling.choosing import Options
from lag.upscaling.consistency import lores_errors, project
from lag.upscaling.folder import upscale_all
from lag.upscaling.one_picture import Upscaler, generate_tiles, sample_noise, upscale
from lag.upscaling.picture_file import Picture, read_picture
from lag.upscaling.tiling import tiles
from libml import rng
from libml.errors import UserError
from libml.layers.resample import DOWNSCALERS
from libml.training.schedule import Level
from tests.support import ROOT
from tests.support.programs import mistake, start
from tests.support.untrained import untrained_run


def noise_image(width, height, mode="RGBA", seed=0) -> Image.Image:
    """Soft random colours and transparency, with some pixels at the ends of the range."""
    values = np.random.default_rng(seed).uniform(-80, 336, [height, width, 4])
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8), "RGBA").convert(mode)


def files(folder) -> dict:
    """Writes one picture of each kind; name -> (width, height, mode of its results)."""
    folder.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x112] = 6
    noise_image(7, 5, "RGB", 1).save(folder / "rgb.png")
    noise_image(6, 9, "RGB", 2).save(folder / "upright.jpg", exif=exif)
    noise_image(6, 9, "CMYK", 3).save(folder / "cmyk.jpg")
    noise_image(5, 5, "L", 4).save(folder / "grey.png")
    noise_image(5, 6, "LA", 5).save(folder / "grey_alpha.png")
    noise_image(4, 7, "RGBA", 6).save(folder / "alpha.webp", lossless=True)
    noise_image(9, 4, "RGB", 7).quantize(9).save(folder / "palette.gif")
    noise_image(9, 4, "RGB", 7).quantize(9).save(folder / "clear.png", transparency=2)
    noise_image(3, 3, "1", 8).save(folder / "bits.tif")
    Image.fromarray(np.arange(30, dtype=np.uint16).reshape(5, 6) * 2000).save(folder / "deep.png")
    return {
        "rgb.png": (7, 5, "RGB"), "upright.jpg": (9, 6, "RGB"), "cmyk.jpg": (6, 9, "RGB"), "grey.png": (5, 5, "L"),
        "grey_alpha.png": (5, 6, "LA"), "alpha.webp": (4, 7, "RGBA"), "palette.gif": (9, 4, "RGB"),
        "clear.png": (9, 4, "RGBA"), "bits.tif": (3, 3, "L"), "deep.png": (6, 5, "L"),
    }  # fmt: skip


def table(folder) -> list[dict]:
    return list(csv.DictReader((folder / "results.csv").open()))


def results(folder) -> dict:
    """(source's name, place) -> PNG."""
    return {(r["source"].split("/")[-1], r["place"]): (folder / r["file"]).read_bytes() for r in table(folder)}


@pytest.mark.parametrize("scale, lod_stop, blocks", [(2, 1, 1), (4, 2, 3), (8, 2, 1), (8, 3, 2)])
def test_receptive_radius_is_what_the_network_has(scale, lod_stop, blocks):
    generator = Generator(colors=1, scale=scale, blocks=blocks, filters=4, filters_min=4, noise_dim=1)
    radius = receptive_radius(generator, lod_stop)
    size, middle = 2 * radius + 5, radius + 2
    lores = tf.random.stateless_normal([1, 3, size, 1], [0, 0])

    def made(x):
        return generator(x, tf.zeros_like(x), level=Level(lod_stop, lod_stop, float(lod_stop))).numpy()

    change = np.zeros([1, 3, size, 1], np.float32)
    change[0, :, middle] = 1000
    changed = np.nonzero(np.any(made(lores) != made(lores + change), axis=(0, 1, 3)))[0] // 2**lod_stop
    assert (changed.min(), changed.max()) == (middle - radius, middle + radius)


def test_tiles_keep_each_pixel_once():
    count = np.zeros([23, 31], int)
    for y, x in tiles(23, 31, 8, 5):
        assert y.stop - y.start <= 8 and x.stop - x.start <= 8
        assert y.read_start == max(0, y.start - 5) and x.read_stop == min(31, x.stop + 5)
        count[y.start : y.stop, x.start : x.stop] += 1
    assert np.all(count == 1)


@pytest.mark.parametrize(
    "options, tile",
    [
        pytest.param(options, tile, id=f"{name}-{tile}")
        for name, options, sizes in (
            ("plain", {}, (1, 5, 16)),
            ("shared", {"noise_shared": 0.5}, (5, 16)),
            ("consistent", {"consistent": True}, (5, 16)),
            ("bicubic", {"consistent": True, "downscaler": "bicubic"}, (5, 16)),
        )
        for tile in sizes
    ],
)
def test_tiled_equals_whole(tmp_path, options, tile):
    model = load_model(untrained_run(tmp_path, **options))
    rng = np.random.default_rng(0)
    lores = rng.uniform(-1, 1, [2, 23, 31, 3]).astype(np.float32)
    z = rng.normal(size=[2, 23, 31, 2]).astype(np.float32)
    made = np.zeros([2, 92, 124, 3], np.float32)
    for (y, x), part in generate_tiles(model, lambda *at: (lores[:, *at], z[:, *at]), 23, 31, tile):
        made[:, 4 * y.start : 4 * y.stop, 4 * x.start : 4 * x.stop] = part
    consistent = "consistent" in options
    np.testing.assert_allclose(made, model.generate(lores, z), atol=3e-5 if consistent else 1e-5)
    if consistent:
        agreed = DOWNSCALERS[options.get("downscaler", "average")](tf.constant(made), 4)
        np.testing.assert_allclose(agreed, lores, atol=3e-5)


@pytest.mark.parametrize("downscaler", ["average", "antialias"])
def test_results_of_a_consistent_model_equal_the_input_exactly(tmp_path, downscaler):
    run = untrained_run(tmp_path / "runs", consistent=True, downscaler=downscaler)
    export.export_run(run, tmp_path / "export")
    noise_image(9, 7, "RGB").save(tmp_path / "small.png")
    for name, more, exact in (("a", [], downscaler == "average"), ("b", ["--noconsistent"], False)):
        words = [f"--model={tmp_path}/export", f"--input={tmp_path}/small.png", f"--output={tmp_path / name}"]
        done = start("scripts/upscale.py", *words, "--samples=2", *more)
        assert done.returncode == 0, done.stderr
        assert [float(row["lores_max"]) == 0 for row in table(tmp_path / name)] == [exact, exact]
    small = np.array(Image.open(tmp_path / "small.png"))
    images = lag.load(run).sample(small, 2)
    means = images.reshape(2, 7, 4, 9, 4, 3).mean((2, 4))
    assert np.all(means == small) == (downscaler == "average")


def test_noise_of_a_part_is_that_part_of_the_noise():
    """The numbers that every earlier version drew, for the picture as a whole."""
    picture = Picture(np.zeros([23, 31, 3], np.float32), None, "", "abc")
    key = int.from_bytes(hashlib.sha256(b"5/upscale abc").digest()[:8], "little") >> 2
    for channels in (1, 2, 3, 64):
        model = Upscaler(None, 4, 3, channels, 5, "", {}, rng.normal_parts)
        whole = [0.7 * tf.random.stateless_normal([23, 31, channels], [key, i], alg="philox").numpy() for i in (1, 9)]
        for rows, columns in ((slice(None), slice(None)), (slice(3, 4), slice(0, 31)), (slice(7, 23), slice(5, 30))):
            z = sample_noise(picture, model, [1, 0, 9], 0.7, 5, rows, columns)
            np.testing.assert_array_equal(z[[0, 2]], np.stack(whole)[:, rows, columns])
            assert z.dtype == np.float32 and np.all(z[1] == 0)


def test_memory_grows_with_the_result_alone():
    """The noise of the whole picture would take 7.7 MB, and its values as doubles twice that."""
    enlarge = lambda lores, z: lores.repeat(4, axis=1).repeat(4, axis=2)  # noqa: E731
    model = Upscaler(enlarge, 4, 3, 64, 3, "", {}, rng.normal_parts)
    picture = Picture(np.zeros([200, 150, 3], np.float32), None, "", "abc")
    result = 16 * 200 * 150 * 3
    made = upscale(model, picture, [0, 1], 1.0, 0, 20, False)
    tracemalloc.start()
    try:
        next(made)
        assert next(made).pixels.nbytes == result
        assert tracemalloc.get_traced_memory()[1] < result + 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("scale", [2, 8])
def test_projection_is_exact_in_8_bits(scale):
    rng = np.random.default_rng(scale)
    lores = rng.choice([0, 1, 3, 127, 200, 254, 255], [2, 6, 5, 3])
    hires = rng.normal(128, 200, [2, 6 * scale, 5 * scale, 3])
    fitted = project(hires, lores, scale)
    assert fitted.dtype == np.uint8
    assert np.all(lores_errors(fitted, lores, scale) == 0)
    # Where nothing is cut off it is x + up(y - down(x)).
    hires = rng.uniform(100, 150, [1, scale, scale, 1])
    expected = hires + 120 - hires.mean()
    assert np.max(np.abs(project(hires, np.full([1, 1, 1, 1], 120), scale) - expected)) < 1
    assert (
        np.max(np.abs(lores_errors(project(hires, np.full([1, 1, 1, 1], 120.3), scale), 120.3, scale)))
        <= 0.5 / scale**2
    )


def test_every_kind_of_picture(model, tmp_path, capsys):
    expected = files(tmp_path / "in")
    options = Options(samples=2, consistent=True, grid=True)
    assert upscale_all(model, None, tmp_path / "in", tmp_path / "out", options) == 0
    rows = table(tmp_path / "out")
    assert len(rows) == 2 * len(expected)
    for row in rows:
        width, height, mode = expected[row["source"]]
        picture = Image.open(tmp_path / "out" / row["file"])
        assert (picture.size, picture.mode) == ((4 * width, 4 * height), mode), row
        assert float(row["lores_max"]) < 0.51
        stem = row["source"].split(".")[0]
        assert row["file"] == f"{stem}_{row['place']}.png"
        assert Image.open(tmp_path / "out" / f"{stem}_grid.png").size == (3 * 4 * width, 4 * height)
        assert row["treatment"] == ("grey shown as RGB" if mode in ("L", "LA") else "")
    assert "4 with grey shown as RGB" in capsys.readouterr().out
    # Independently of the program: box means of a result are the input.
    small = np.array(Image.open(tmp_path / "in" / "rgb.png"), float)
    large = np.array(Image.open(tmp_path / "out" / "rgb_1.png"), float)
    np.testing.assert_array_equal(large.reshape(5, 4, 7, 4, 3).mean((1, 3)), small)


def test_only_the_listed_formats_are_opened(tmp_path, monkeypatch):
    """PostScript would be run through Ghostscript, whatever the file is called."""
    ran = tmp_path / "ran"
    (tmp_path / "bin").mkdir()
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    file = tmp_path / "holiday.png"
    file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\nshowpage\n")
    with pytest.raises(UserError, match="cannot read it as a picture"):
        read_picture(file, colors=3)
    assert not ran.exists()


@pytest.mark.parametrize(
    "size, problem",
    [
        ((20000, 6800), "it has 20000 x 6800 pixels, more than 134217728"),
        ((20000, 10000), "it has 20000 x 10000 pixels, more than 134217728"),
        ((12000, 6000), "its result would have 48000 x 24000 pixels, more than 1073741824"),
    ],
)
def test_what_would_fill_the_memory_is_refused_before_it_is_decoded(model, tmp_path, capsys, size, problem):
    whole = io.BytesIO()
    Image.new("1", size).save(whole, "png")
    (tmp_path / "bomb.png").write_bytes(whole.getvalue()[:60])  # decoding would find it damaged
    assert upscale_all(model, None, tmp_path / "bomb.png", tmp_path / "out", Options(samples=1)) == 1
    assert f"bomb.png: {problem}" in capsys.readouterr().err


def test_a_grey_model_makes_colours_grey(tmp_path):
    noise_image(4, 5, "RGB").save(tmp_path / "rgb.png")
    picture = read_picture(tmp_path / "rgb.png", colors=1)
    assert picture.pixels.shape == (5, 4, 1) and picture.treatment == "colours made grey"
    deep = Image.fromarray(np.array([[0, 257 * 7 + 128, 65535]], np.uint16))
    deep.save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_picture(tmp_path / "deep.png", 1).pixels[0, :, 0], [0, 7.498, 255], atol=1e-3)


def test_a_picture_s_results_depend_on_nothing_else(model, tmp_path):
    names = list(files(tmp_path / "a"))
    (tmp_path / "b" / "deeper").mkdir(parents=True)
    for i, name in enumerate(reversed(names[:6])):  # other order, other folder, fewer files
        shutil.copy(tmp_path / "a" / name, tmp_path / "b" / ("deeper" if i % 2 else "") / f"{name}")
    for folder in "ab":
        upscale_all(model, None, tmp_path / folder, tmp_path / f"out_{folder}", Options(samples=3))
    a, b = results(tmp_path / "out_a"), results(tmp_path / "out_b")
    assert len(b) == 18 and (tmp_path / "out_b" / "deeper").exists()
    assert all(a[key] == b[key] for key in b)
    assert len({a["rgb.png", str(i)] for i in range(3)}) == 3
    picture = read_picture(tmp_path / "a" / "rgb.png", 3)
    z = sample_noise(picture, model, [0, 1, 2], 0.5, seed=0)
    assert np.all(z[0] == 0) and 0.3 < np.std(z[1]) < 0.7 and np.any(z[1] != z[2])
    assert np.any(z[1] != sample_noise(picture, model, [1], 0.5, seed=1)[0])


def test_an_export_makes_what_its_run_makes(run, model, tmp_path):
    files(tmp_path / "in")
    export.export_run(run, tmp_path / "export")
    exported = load_model(tmp_path / "export")
    assert exported[1:6] == model[1:6]  # but for the card, which an export alone has
    for name, each in (("run", model), ("export", exported)):
        upscale_all(each, None, tmp_path / "in" / "rgb.png", tmp_path / name, Options(samples=2))
    for a, b in zip(*(results(tmp_path / name).values() for name in ("run", "export")), strict=True):
        a, b = (np.array(Image.open(io.BytesIO(png)), int) for png in (a, b))
        assert np.max(np.abs(a - b)) <= 1


def test_bad_files_do_not_stop_the_others(run, tmp_path):
    files(tmp_path / "in")
    (tmp_path / "in" / "aaa.png").write_bytes(b"no picture")
    whole = (tmp_path / "in" / "rgb.png").read_bytes()
    (tmp_path / "in" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "readme.txt").write_text("not by name")
    flags = [f"--model={run}", f"--input={tmp_path}/in"]
    done = start("scripts/upscale.py", *flags, f"--output={tmp_path}/out", "--samples=1", "--tile=4")
    assert done.returncode == 3, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and "aaa.png: cannot read" in errors[0] and "cut.png: cannot read" in errors[1]
    assert "Traceback" not in done.stderr
    assert "10 upscaled, 0 done before, 2 failed" in done.stdout
    assert f"wrote {tmp_path}/out/results.csv: " in done.stdout
    assert len(results(tmp_path / "out")) == 10


def test_best_and_diverse(run, model, tmp_path):
    noise_image(6, 5, "RGB").save(tmp_path / "small.png")
    critic = load_critic(run)
    scores = {}
    for keep, choose in ((8, "best"), (3, "best"), (3, "diverse")):
        options = Options(samples=keep, choose=choose, of=8)
        out = tmp_path / f"{choose}{keep}"
        assert upscale_all(model, critic, tmp_path / "small.png", out, options) == 0
        scores[choose, keep] = [(int(r["sample"]), float(r["score"])) for r in table(out)]
    ranked = scores["best", 8]
    assert sorted(i for i, _ in ranked) == list(range(8))
    assert [s for _, s in ranked] == sorted((s for _, s in ranked), reverse=True)
    assert scores["best", 3] == ranked[:3]
    assert scores["diverse", 3][0][0] == 0 and len({i for i, _ in scores["diverse", 3]}) == 3

    # The scores are the critic's own: C(x, y) = F(P(x, |y - H(x)|)).
    picture = read_picture(tmp_path / "small.png", 3)
    sampler = load_trained(run).sampler()
    lores = picture.lores(3)
    made = sampler(lores, sample_noise(picture, model, [5], 1.0, 0))
    score = critic.scores(critic.project(made, lores))[0]
    np.testing.assert_allclose(dict(ranked)[5], score, rtol=1e-4)


def test_ranking_of_a_bicubic_run(tmp_path):
    run = untrained_run(tmp_path / "runs", downscaler="bicubic", kimgs=(1.5,))
    for name, size in (("small", 3), ("tiny", 2)):
        noise_image(size, 4, "RGB").save(tmp_path / f"{name}.png")
    options = Options(samples=2, choose="diverse", of=3)
    failed = [
        upscale_all(load_model(run), load_critic(run), tmp_path / f"{name}.png", tmp_path / name, options)
        for name in ("small", "tiny")
    ]
    assert failed == [0, 1]


def test_farthest_points():
    latents = np.array([[0.0], [1.0], [-4.0], [3.0], [-4.5]])
    assert ranking.diverse(latents, 3) == [0, 4, 3]
    assert ranking.diverse(latents, 5) == [0, 4, 3, 1, 2]
    assert ranking.best(np.array([1.0, 3.0, 2.0, 3.0]), 3) == [1, 3, 2]


def test_mistakes_are_said(run, model, tmp_path):
    export.export_run(run, tmp_path / "export")
    with pytest.raises(UserError, match="give a run folder"):
        load_critic(tmp_path / "export")
    with pytest.raises(UserError, match="neither a run folder"):
        load_model(tmp_path)
    noise_image(9, 5, "RGB").save(tmp_path / "small.png")
    options = Options(samples=1, choose="best", of=2, tile=8)
    assert upscale_all(model, load_critic(run), tmp_path / "small.png", tmp_path / "out", options) == 1
    with pytest.raises(UserError, match="holds no pictures"):
        upscale_all(model, None, tmp_path / "export", tmp_path / "out2", Options())
    with pytest.raises(UserError, match="choose another"):
        upscale_all(model, None, tmp_path, tmp_path, Options())
    flags = ["scripts/upscale.py", f"--model={run}", f"--input={ROOT}", f"--output={tmp_path}/no"]
    assert "use one" in mistake(*flags, "--best=1", "--diverse=1")
    assert "--samples=9999999999 must be at most 10000" in mistake(*flags, "--samples=9999999999")
    assert "--merge joins the tables of what was made: leave out --model" in mistake(*flags, "--merge")
    assert "--shard=9/8 is shard 9/8" in mistake(*flags, "--shard=9/8")
