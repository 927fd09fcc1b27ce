"""The noise that an evaluation recommends, and who follows it."""

import json

import pytest
from PIL import Image

from lag.evaluation.evaluate import Row
from lag.evaluation.methods import LoadedRun
from lag.evaluation.recommend import best_noise, record
from lag.formats import saved_model
from lag.formats.card import is_noise_found
from lag.formats.card import recommended_noise as of_card
from lag.formats.registry import load_model
from libml.training.run_folder import RunFolder, forget, recommended_noise
from tests.support.images import blobs
from tests.support.programs import start
from tests.support.untrained import untrained_run


def row(label, std, **values):
    """A row of which only what is recommended by matters."""
    return Row(**{**dict.fromkeys(Row._fields), "label": label, "std": std, "values": values})


ROWS = [
    row("LAG", 0.0, swd=1.0),
    row("LAG", 0.25, swd=9.0),
    row("LAG", 0.5, swd=4.0),
    row("LAG", 0.75, swd=4.0),
    row("cGAN", 1.0, swd=0.5),
    row("cGAN", 0.5, swd=0.6),
    row("one", 1.0, swd=0.5),
]


def test_the_noise_nearest_to_true_images_is_the_best_and_none_is_no_noise():
    assert best_noise(ROWS, "LAG") == 0.5 and best_noise(ROWS, "cGAN") == 1.0
    assert best_noise(ROWS, "EDSR") is None and best_noise([row("LAG", 0.5)], "LAG") is None
    assert best_noise(ROWS, "one") is None  # one is no choice


def test_a_run_is_recommended_the_noise_of_its_checkpoint(run):
    model = load_model(run)
    assert of_card(model.card) == 0.5 and model.card["recommended_noise"] == 0.5
    loaded = LoadedRun("LAG", None, str(run), None, 3, model.card["nimg"])
    rows = [row("LAG", 0.75, swd=1.0), row("LAG", 0.25, swd=2.0)]
    (line,) = record([loaded], rows, images=15)
    assert line == "recommended noise of LAG: not recorded, 15 images are too few to tell: it takes 16"
    assert not RunFolder(run).noise.exists() and not is_noise_found(model.card, run)
    (line,) = record([loaded], rows, images=16)
    assert line.startswith("recommended noise of LAG: 0.75 (SWD); ")
    assert load_model(run).card["recommended_noise"] == 0.75 and is_noise_found(model.card, run)
    assert recommended_noise(run, model.card["nimg"] + 1) is None
    forget(run)
    assert not RunFolder(run).noise.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nimg": 3}', '{"nimg": 3, "noise": "x"}', '{"nimg": 3, "noise": NaN}']
)
def test_a_record_that_cannot_be_is_none(tmp_path, text):
    RunFolder(tmp_path).noise.write_text(text)
    assert recommended_noise(tmp_path, 3) is None


@pytest.mark.parametrize("value", [None, "x", -1, float("nan"), True])
def test_a_card_without_it_recommends_half(value):
    assert of_card({"recommended_noise": value}) == 0.5 and not is_noise_found({"recommended_noise": value}, "none")
    assert of_card({"recommended_noise": 0.25}) == 0.25


def test_upscaling_follows_it_and_says_so(tmp_path):
    run = untrained_run(tmp_path / "runs")
    export = saved_model.export_run(run, tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    path.write_text(json.dumps({**export, "recommended_noise": 0.25}))
    Image.fromarray(blobs(1, 8)[0]).save(tmp_path / "a.png")
    words = ("scripts/upscale.py", f"--model={tmp_path}/model", f"--input={tmp_path}/a.png", f"--output={tmp_path}/out")
    done = start(*words, "--samples=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("noise 0.25, as the model recommends")
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["noise"] == 0.25
