"""The paper's figures, from a run's folder."""

import numpy as np
import pytest
from PIL import Image

from lag.figures import paper as figures
from lag.figures.indices import parse_indices
from lag.figures.inputs import Inputs, load_test_images
from lag.figures.registry import FIGURES, make
from lag.trained import load_trained
from libml.errors import UserError
from libml.page import draw
from tests.support import ROOT
from tests.support.images import blobs, write_images
from tests.support.programs import mistake, start
from tests.support.untrained import untrained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs"), kimgs=(1, 2, 3))


@pytest.fixture(scope="module")
def trained(run):
    return load_trained(run)


@pytest.fixture(scope="module")
def inputs(trained, data_dir):
    hires = load_test_images("", data_dir, [2, 5], trained.config, 3)
    return Inputs(hires, [2, 5], "average", 4)


def test_candidates(trained, inputs):
    figure = figures.candidates(trained.sampler(), inputs, 3, 0, "title")
    assert figure.columns == ["original", "input 8 x 8", "centre z = 0", "noise 0.5", "noise 1"]
    assert [label for label, _ in figure.rows] == ["#2", "#5"]
    original, small, center, *samples = figure.rows[1][1]
    np.testing.assert_array_equal(original, inputs.hires[1])
    assert all(image.shape == (32, 32, 3) for image in (small, center, *samples))
    lores = inputs.downscaled(inputs.hires)
    np.testing.assert_array_equal(small[::4, ::4], lores[1])
    np.testing.assert_allclose(center, trained.sampler()(lores, np.zeros([2, 8, 8, 2], np.float32))[1], atol=1e-5)
    assert np.max(np.abs(samples[1] - center)) > 0.01


def test_mirror_ends_where_the_mirrored_image_begins(trained, inputs):
    figure = figures.mirror(trained.sampler(), inputs, 5, "title")
    assert figure.columns == ["original", "25%", "50%", "75%", "mirrored"]
    flipped = figures.mirror(trained.sampler(), inputs._replace(hires=inputs.hires[:, :, ::-1]), 5, "title")
    for (_, images), (_, mirrored) in zip(figure.rows, flipped.rows, strict=True):
        np.testing.assert_allclose(images[0], mirrored[-1], atol=1e-5)
        np.testing.assert_allclose(images[2], mirrored[2], atol=1e-5)


def test_noise_goes_from_the_input_to_none_of_it(trained, inputs):
    figure = figures.noise(trained.sampler(), inputs, 4, 0, "title")
    other = figures.noise(trained.sampler(), inputs._replace(hires=-inputs.hires), 4, 0, "title")
    assert figure.columns == ["0% noise", "33% noise", "67% noise", "100% noise"]
    first, last = figure.rows[0][1][0], figure.rows[0][1][-1]
    np.testing.assert_allclose(first[::4, ::4], inputs.downscaled(inputs.hires)[0], atol=1e-6)
    np.testing.assert_array_equal(last, other.rows[0][1][-1])
    assert last.min() < -0.8 and last.max() > 0.8 and np.abs(last).max() <= 1


def test_progress_shows_every_checkpoint(run, inputs):
    figure = figures.progress(run, inputs, 0, 16, "title")
    assert figure.columns[2:] == [f"{k}k {z}" for k in (1, 2, 3) for z in ("z = 0", "z ~ N")]
    images = figure.rows[0][1]
    newest = load_trained(run).sampler().candidates(
        inputs.downscaled(inputs.hires), (0.0, 1.0), 0, inputs.indices
    )[0]  # fmt: skip
    np.testing.assert_allclose(images[-2:], newest, atol=1e-5)
    assert np.max(np.abs(images[2] - images[6])) > 0.01


def test_every_figure_is_one_row(run, trained, inputs):
    """Made with what its function asks for, and named where the program says what it draws."""
    given = {"run": run, "sampler": trained.sampler(), "inputs": inputs, "columns": 2, "frames": 4, "noise": 1.0}
    made = {name: make(name, **given, seed=0, batch=16, title=name) for name in FIGURES}
    assert {name: len(pages) for name, pages in made.items()} == dict.fromkeys(FIGURES, 1) | {"walk": 4}
    assert all(page.title == name for name, pages in made.items() for page in pages)
    (candidates,), (cross,), (mirror,) = (made[name] for name in ("candidates", "cross", "mirror"))
    np.testing.assert_array_equal(candidates.rows[1][1], cross.rows[1][1])
    assert mirror.columns == ["original", "mirrored"]
    program = (ROOT / "scripts/figures.py").read_text()
    assert all(f"\n{name} " in program for name in FIGURES)


def test_drawn_small_images_are_enlarged_and_labelled(trained, inputs):
    figure = figures.candidates(trained.sampler(), inputs, 2, 0, "a title")
    page = draw(figure)
    assert page.dtype == np.uint8 and page.shape[0] > 2 * 96 and page.shape[1] > 4 * 96
    assert np.any(page[:30] < 100)  # the title
    grey = figure._replace(rows=[(label, [i[..., :1] for i in images]) for label, images in figure.rows])
    assert draw(grey).shape == page.shape


def test_from_the_command_line(run, data_dir, tmp_path):
    for split in ("train", "test"):
        write_images(tmp_path / f"celeba-{split}.tfrecord", blobs(3, size=218)[:, :, 20:198])
    base = ["scripts/figures.py", f"--run={run}", "--samples=0-1", "--columns=3"]
    done = start(*base, f"--data_dir={data_dir}", "--figure=mirror", f"--output={tmp_path}/mirror.png", alone=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"wrote {tmp_path}/mirror.png: mirror of ")
    assert Image.open(tmp_path / "mirror.png").size[0] > 3 * 96
    assert "add --dataset" in mistake(*base, "--figure=cross")
    done = start(
        *base, "--figure=cross", f"--data_dir={tmp_path}", "--dataset=celeba32", f"--output={tmp_path}/cross.png"
    )
    assert done.returncode == 0, done.stderr


def test_indices():
    assert parse_indices("0,3,5-8") == [0, 3, 5, 6, 7, 8]
    for text in ("", "a", "3-1", "1,,2", "-1", "²", "0-²", "٣", "9" * 5000):
        with pytest.raises(UserError, match="neither a number nor a rising span") as e:
            parse_indices(text)
        assert len(str(e.value)) < 200


def test_indices_stay_few():
    assert len(parse_indices("0-9999")) == 10000
    for text in ("0-9999999999", "0-999999999", "0-9999,3", ",".join(["0-2000"] * 6)):
        with pytest.raises(UserError, match="more than 10000 images") as e:
            parse_indices(text)
        assert len(str(e.value)) < 200


def test_images_of_other_colours_are_refused(trained, tmp_path):
    for split in ("train", "test"):
        write_images(tmp_path / f"mnist-{split}.tfrecord", blobs(3, size=28, colors=1))
    with pytest.raises(UserError, match="mnist has 1 colour channels, the run was trained on 3"):
        load_test_images("mnist", str(tmp_path), [0], trained.config, 3)
