"""Makes the good files that the kinds spoil: python tests/fuzzing/kit.py FOLDER.

data: cifar10, pets (of a folder of pictures, with a manifest) and Models/vgg19.npy; runs: a LAG run and an EDSR run,
both complete; export: of the first; tf1: a run of the reference; pictures: two; out: results of upscaling them;
recipes: of one of them.
"""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from libml.system.environment import DEFAULTS

os.environ.update(DEFAULTS | os.environ | {"CUDA_VISIBLE_DEVICES": "-1"})

import tensorflow as tf

from edsr import EDSR, EDSRConfig
from lag.explorer import recipe as recipes
from lag.explorer.rendering import render
from lag.explorer.result_file import encode
from lag.formats import saved_model as export
from lag.formats.registry import load_model
from lag.upscaling.choosing import Options
from lag.upscaling.folder import upscale_all
from lag.upscaling.picture_file import read_picture
from libml.datasets.making import folder as folder_dataset
from libml.datasets.making.pictures import PictureOptions as Stored
from libml.images import encode_png
from libml.training.checkpoint import Checkpoints, Clock
from libml.training.run_folder import save_args
from tests.fuzzing import places
from tests.fuzzing.trial import ROOT
from tests.support.images import blobs, write_images
from tests.support.untrained import untrained_run

BATCH = 8
COMPLETE = 3  # kimg of the LAG run's whole schedule


def make(place: Path) -> None:
    """Makes all of it."""
    os.chdir(place)  # so that all paths that files record are below it
    write_images(Path("data/cifar10-train.tfrecord"), blobs(8))
    write_images(Path("data/cifar10-test.tfrecord"), blobs(4, seed=1))
    make_pets()
    os.makedirs("data/Models")
    shutil.copy(ROOT / "tests/golden/vgg19_tiny.npy", "data/Models/vgg19.npy")
    shutil.copytree(ROOT / "tests/golden/tf1_run", "tf1/cifar10/average4X")
    run = untrained_run("runs", kimgs=(COMPLETE - 2 * BATCH / 1024, COMPLETE), batch=BATCH)
    assert run == Path(places.RUN), run
    make_edsr()
    export.export_run(run, "export")
    os.makedirs("pictures")
    for i, image in enumerate(blobs(2, size=6)):
        Path(f"pictures/{i}.png").write_bytes(encode_png(image))
    assert not upscale_all(load_model("export"), None, Path("pictures"), Path("out"), Options(samples=2))
    make_recipes()


def make_recipes() -> None:
    """A recipe with every operation, as a line of JSON and in its PNG."""
    model, picture = load_model("export"), read_picture(Path("pictures/0.png"), 3)
    sample, drawn = {"op": "sample", "index": 1, "noise": 1.0}, {"index": 2, "noise": 0.5}
    operations = [
        {"op": "paint", "pixels": [[0, 1, 255, 0, 0], [5, 5, 0, 0, 0]]},
        sample,
        {"op": "near", **drawn, "degrees": 30},
        {"op": "region", **drawn, "cells": "0f00f00000", "hold": True},
        {"op": "walk", "seed": 3, "at": 0.5, "to": [sample]},
        {"op": "consistent"},
    ]
    head = {"recipe": 1, "model": model.fingerprint, "picture": picture.content, "seed": 1}
    recipe = recipes.parse({**head, "operations": operations})
    os.makedirs("recipes")
    Path("recipes/pins.jsonl").write_text(f"{recipe.json()}\n")
    Path("recipes/pin.png").write_bytes(encode(render(model, picture, recipe), picture, recipe, model.scale))


def make_pets() -> None:
    """A dataset of twelve pictures."""
    os.makedirs("photos")
    for i, image in enumerate(blobs(12, size=16)):
        Path(f"photos/{i}.png").write_bytes(encode_png(image))
    folder_dataset.make("photos", "pets", "data", Stored(size=16), 0.3, 1, False)
    shutil.rmtree("photos")


def make_edsr() -> None:
    """A run of EDSR at the end of its schedule."""
    config = EDSRConfig(dataset="cifar10", train_dir="runs", batch=BATCH, filters=4, repeat=1, total_kimg=1)
    method, clock = EDSR(config, 3, 32), Clock(config.seed)
    clock.nimg.assign(1024)
    assert config.folder == Path(places.EDSR), config.folder
    save_args(config, config.folder, colors=3)
    Checkpoints(config.folder / "tf", tf.train.Checkpoint(method=method, clock=clock)).save(1024)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
