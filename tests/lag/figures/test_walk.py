"""The walk through z: where it leads, and the animation that shows it."""

import numpy as np
import pytest
from PIL import Image

from lag.figures.inputs import Inputs
from lag.figures.walk import path, walk
from libml.images import encode_webp, to_uint8
from libml.sampler import CandidateSampler
from tests.support.images import blobs, write_images
from tests.support.programs import mistake, start
from tests.support.untrained import untrained_run


class Grainy(CandidateSampler):
    """The pixelated LR image plus its noise; two maps, the second of which counts for half."""

    scale = 4

    def noise_shapes(self, h, w):
        return [(h, w, 3), (h, w, 3)]

    def __call__(self, lores, *noise):
        return (lores + noise[0] + noise[1] / 2).repeat(4, axis=1).repeat(4, axis=2)


def images(frames, noise=1.0, indices=(3, 5)):
    """What the frames show of each input beyond the input itself, [N, frames, 8, 8, 3]."""
    hires = (blobs(8)[list(indices)] / 127.5 - 1).astype(np.float32)
    figures = walk(Grainy(), Inputs(hires, indices, "average", 4), frames, noise, 0, "title")
    made = np.array([[row[2] - row[1] for _, row in figure.rows] for figure in figures])
    return made[:, :, ::4, ::4].swapaxes(0, 1), figures


def test_the_path_is_closed_without_jumps_and_as_strong_on_its_arcs():
    weights = path(400)
    strength = np.linalg.norm(weights, axis=1)
    assert strength[0] == 0 and strength.max() == pytest.approx(1)
    assert np.all(np.abs(np.diff(weights, axis=0, append=weights[:1])) < 0.02)
    np.testing.assert_allclose(strength[100:301], 1)
    np.testing.assert_allclose(strength[50], 0.5)
    for frame, station in ((100, 0), (200, 1), (300, 2)):
        np.testing.assert_allclose(weights[frame], np.eye(3)[station], atol=1e-12)


def test_the_walk_passes_the_samples_that_candidates_have():
    made, figures = images(8)
    assert len(figures) == 8 and [label for label, _ in figures[0].rows] == ["#3", "#5"]
    assert [figure.columns[2] for figure in figures[:3]] == ["noise 0.00", "noise 0.50", "noise 1.00"]
    assert np.all(np.abs(made[:, 0]) < 1e-5)
    lores = np.zeros([2, 8, 8, 3], np.float32)
    samples = Grainy().candidates(lores, [1.0] * 3, 0, (3, 5), first=1)[:, :, ::4, ::4]
    np.testing.assert_allclose(made[:, [2, 4, 6]], samples, atol=1e-5)
    np.testing.assert_allclose(made[:, 1], samples[:, 0] / 2, atol=1e-5)
    np.testing.assert_allclose(made[:, 3], (samples[:, 0] + samples[:, 1]) / 2**0.5, atol=1e-5)


def test_the_walk_is_as_wide_as_asked_and_of_each_image_alone():
    made, _ = images(8)
    np.testing.assert_allclose(images(8, noise=0.5)[0], made / 2, atol=1e-5)
    np.testing.assert_allclose(images(8, indices=(5, 3))[0], made[::-1], atol=1e-5)


def test_an_animation_has_the_pixels_of_its_frames(tmp_path):
    frames = list(to_uint8(np.random.default_rng(0).uniform(-1, 1, [3, 20, 30, 3])))
    (tmp_path / "a.webp").write_bytes(encode_webp(frames, 80))
    with Image.open(tmp_path / "a.webp") as read:
        assert (read.format, read.n_frames, read.info["loop"]) == ("WEBP", 3, 0)
        for i, frame in enumerate(frames):
            read.seek(i)
            np.testing.assert_array_equal(np.array(read.convert("RGB")), frame)
            assert read.info["duration"] == 80


def test_from_the_command_line(data_dir, tmp_path):
    run = untrained_run(tmp_path / "runs")
    base = ["scripts/figures.py", f"--run={run}", f"--data_dir={data_dir}", "--figure=walk", "--samples=0-1"]
    done = start(*base, "--frames=5", f"--output={tmp_path}/walk.webp")
    assert done.returncode == 0 and done.stdout.startswith(f"wrote {tmp_path}/walk.webp: walk of "), done.stderr
    assert Image.open(tmp_path / "walk.webp").n_frames == 5
    assert "name it" in (line := mistake(*base, f"--output={tmp_path}/walk.png")) and line.endswith("walk.webp")
    assert "--frames=0 must be from 1 to" in mistake(*base, "--frames=0")
    assert "--noise=nan must be above 0" in mistake(*base, "--noise=nan")


def test_a_walk_of_more_rows_than_webp_has_pixels_is_refused_before_it_is_made(tmp_path):
    run = untrained_run(tmp_path / "runs")
    write_images(tmp_path / "cifar10-test.tfrecord", blobs(180))
    flags = ["--figure=walk", "--samples=0-179", "--frames=1000", f"--data_dir={tmp_path}"]
    said = mistake("scripts/figures.py", f"--run={run}", *flags, f"--output={tmp_path}/w.webp")
    assert "a WebP file has at most 16,383 pixels a side, not" in said and not (tmp_path / "w.webp").exists()
