"""Files that say what made them, and making them again from what they say."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from lag.explorer.remaking import load_recipes, make_again
from lag.explorer.rendering import render
from lag.explorer.result_file import encode, recipes_in
from lag.upscaling.picture_file import read_picture
from libml.errors import UserError
from tests.support.explorer import CENTER, SAMPLE, made
from tests.support.programs import mistake, start


@pytest.fixture
def face(tmp_path, model):
    """A small picture with transparency, in a folder with others."""
    folder = tmp_path / "small"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, [5, 6, 4], np.uint8)
    Image.fromarray(pixels).save(folder / "b.png")
    Image.fromarray(pixels[::-1]).save(folder / "a.png")
    (folder / "c.png").write_bytes(b"none")
    return folder / "b.png"


def test_a_file_says_what_made_it(model, face):
    picture = read_picture(face, 3)
    recipe = made(model, picture, SAMPLE, seed=5)
    pixels = render(model, picture, recipe)
    data = encode(pixels, picture, recipe, model.scale)
    assert data == encode(pixels, picture, recipe, model.scale) and recipes_in(data) == [recipe]
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    with Image.open(io.BytesIO(data)) as image:
        assert image.text == {"lag": recipe.json()} and image.mode == "RGBA"
        assert np.array_equal(np.array(image)[..., :3], pixels)


def test_the_program_makes_the_files_again(run, model, face, tmp_path):
    picture = read_picture(face, 3)
    region = {"op": "region", "cells": "0c300000", "index": 1, "noise": 1.0, "hold": True}
    some = [made(model, picture, CENTER), made(model, picture, SAMPLE, region, {"op": "consistent"}, seed=2)]
    files = [encode(render(model, picture, recipe), picture, recipe, model.scale) for recipe in some]
    (tmp_path / "pins.jsonl").write_text("".join(recipe.json() + "\n\n" for recipe in some))
    (tmp_path / "pin.png").write_bytes(files[1])
    command = [f"--model={run}", f"--input={face.parent}", f"--output={tmp_path / 'large'}"]
    done = start("scripts/upscale.py", *command, f"--recipe={tmp_path / 'pins.jsonl'}")
    assert done.returncode == 0, done.stderr
    expected = {f"lag_{recipe.digest()}.png": data for recipe, data in zip(some, files, strict=True)}
    assert {path.name: path.read_bytes() for path in (tmp_path / "large").iterdir()} == expected

    make_again(model, load_recipes(tmp_path / "pin.png"), face, tmp_path / "one", False)
    assert [path.read_bytes() for path in (tmp_path / "one").iterdir()] == files[1:]


def test_mistakes_cost_one_line(run, model, face, tmp_path):
    recipe = made(model, read_picture(face, 3), CENTER)
    (tmp_path / "pin.jsonl").write_text(recipe.json())
    (tmp_path / "empty.jsonl").write_text("\n")
    Image.new("RGB", (3, 3)).save(tmp_path / "plain.png")
    lines = {"empty.jsonl": "holds no recipe", "plain.png": "without a recipe", "none": "cannot read"}
    for name, said in lines.items():
        with pytest.raises(UserError, match=rf"{name}.*{said}|{said}.*{name}"):
            load_recipes(tmp_path / name)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe: it is no regular file"):
        load_recipes(tmp_path / "pipe")
    with pytest.raises(UserError, match="cannot read it as a PNG"):
        recipes_in(b"\x89PNG\r\n\x1a\nnothing")

    pin, output = tmp_path / "pin.jsonl", tmp_path / "out"
    words = [f"--model={run}", f"--input={face}", f"--output={output}", f"--recipe={pin}", "--samples=3"]
    assert "leave out --samples" in mistake("scripts/upscale.py", *words)
    with pytest.raises(UserError, match=f"does not hold the picture {recipe.picture[:12]}"):
        make_again(model, [recipe], face.parent / "a.png", output, False)
    file = output / f"lag_{recipe.digest()}.png"
    output.mkdir()
    file.write_bytes(b"mine")
    with pytest.raises(UserError, match="is another picture"):
        make_again(model, [recipe], face, output, False)
    assert file.read_bytes() == b"mine"
    make_again(model, [recipe], face, output, True)
    assert file.read_bytes() != b"mine"
