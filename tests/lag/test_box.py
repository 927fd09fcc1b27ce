"""The model in the box: what is used when no model is named."""

import json
import os
import re
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

import lag
from lag.box import TOY_FACES, named_or_shipped
from lag.explorer.session import load_session
from lag.formats.card import load_description
from lag.upscaling.consistency import lores_errors
from libml.datasets import toyfaces
from tests.support import ROOT
from tests.support.programs import mistake, start


@pytest.fixture(scope="module")
def model():
    return lag.load()


def faces(count: int) -> np.ndarray:
    """Test images, which the model has not seen."""
    numbers = range(toyfaces.TRAIN_IMAGES, toyfaces.TRAIN_IMAGES + count)
    return np.stack([toyfaces.draw_face(toyfaces.SEED, i, 32) for i in numbers])


def shrunk(images: np.ndarray) -> np.ndarray:
    n, side = len(images), images.shape[1] // 4
    return np.rint(images.reshape(n, side, 4, side, 4, 3).mean((2, 4))).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def edges(images: np.ndarray) -> float:
    """Mean difference of neighbouring pixels."""
    images = images.astype(float)
    return np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean()


def test_it_is_small_and_complete():
    files = [path for path in TOY_FACES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    text = (TOY_FACES / "README.md").read_text()
    assert "license: apache-2.0\n" in text and load_description(TOY_FACES)["fingerprint"] in text
    assert "owner" not in text  # the licence is no longer for another to say


def test_it_is_what_load_loads(model):
    card = load_description(TOY_FACES)
    assert model.card["fingerprint"] == card["fingerprint"] and model.scale == 4
    assert (card["dataset"], card["nimg"]) == ("toyfaces32", 1000 * 1024)
    assert card["parameters"]["recipe"] == "posterior"


def test_its_pictures_are_good_and_fit_the_small_ones(model):
    large = faces(16)
    small = shrunk(large)
    center, samples = model.center(small), model.sample(small, n=2)
    bicubic = np.stack([np.array(Image.fromarray(s).resize((32, 32), Image.Resampling.BICUBIC)) for s in small])
    assert psnr(center, large) > psnr(bicubic, large) + 0.5
    for made in (center, samples[:, 0], samples[:, 1]):
        assert 0.8 < edges(made) / edges(large) < 1.2
    assert edges(bicubic) < edges(large) / 2
    assert np.abs(samples[:, 0].astype(int) - samples[:, 1]).mean() > 2
    assert max(np.abs(lores_errors(c, s, 4)).max() for c, s in zip(center, small, strict=True)) < 1


def test_python_loads_it_without_a_word_of_tensorflow_s():
    env = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    command = [
        sys.executable,
        "-c",
        "import lag, os; lag.load(); print([n for n in os.environ if n.startswith('TF_')])",
    ]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_ranking_says_that_it_needs_a_run(model):
    small = shrunk(faces(1))[0]
    with pytest.raises(lag.UserError, match=r"rank needs the critic, .* load a run's folder"):
        model.rank(small, model.sample(small, n=2))
    said = mistake("scripts/upscale.py", f"--input={ROOT}", "--output=unused", "--best=2")
    assert "--best needs a run's critic, which the shipped model lacks: add --model=RUN" in said


def test_a_named_model_is_used(capsys):
    assert named_or_shipped("mine") == "mine" and named_or_shipped("") == "" and not capsys.readouterr().out
    assert named_or_shipped(None) == str(TOY_FACES) and "shipped one of toy faces" in capsys.readouterr().out


def test_the_explorer_has_toy_faces_for_it_without_a_dataset():
    session = load_session(TOY_FACES, "nowhere")
    assert session.describe()["examples"] > 8 and not session.describe()["critic"]
    assert session.example(0)["small"] == [8, 8]


def test_upscale_uses_it_and_says_so(model, tmp_path):
    small = shrunk(faces(1))[0]
    Image.fromarray(small).save(tmp_path / "face.png")
    words = [f"--input={tmp_path}/face.png", f"--output={tmp_path}/large", "--samples=2"]
    done = start("scripts/upscale.py", *words)
    assert done.stdout.startswith("no --model is named: the shipped one of toy faces")
    for name, expected in {"0": model.center(small), "1": model.sample(small, n=1)[0]}.items():
        found = np.array(Image.open(tmp_path / f"large/face_{name}.png"), int)
        assert np.abs(found - expected).max() <= 1


def test_explore_serves_it():
    command = [sys.executable, "scripts/explore.py", "--port=0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert "shipped one of toy faces" in program.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", program.stdout.readline())[0]
            with urllib.request.urlopen(f"{address}/api/model") as answer:
                assert json.load(answer)["fingerprint"] == load_description(TOY_FACES)["fingerprint"]
        finally:
            program.terminate()
