"""Candidates as data: what is taken, and the one line for what is not."""

import json

import pytest

from lag.explorer import recipe as recipes
from libml.errors import UserError
from tests.support.explorer import CENTER, SAMPLE

BASE = {"recipe": 1, "model": "ab12", "picture": "cd34", "seed": 7, "operations": [SAMPLE]}
ALL = [
    {"op": "paint", "pixels": [[0, 1, 255, 0, 0], [0, 0, 1, 2, 3]]},
    {"op": "sample", "index": 3, "noise": 1},
    {"op": "near", "index": 4, "noise": 0.5, "degrees": 30},
    {"op": "region", "cells": "00ff", "index": 2, "noise": 1.0, "hold": True},
    {"op": "walk", "seed": 8, "to": [{"op": "sample", "index": 0, "noise": 0}], "at": 0.25},
    {"op": "consistent"},
]


def with_operations(*operations):
    return {**BASE, "operations": list(operations)}


def test_a_recipe_is_the_same_line_whichever_way_it_comes():
    recipe = recipes.parse(with_operations(*ALL))
    line = recipe.json()
    assert "\n" not in line and recipes.parse(line) == recipes.parse(line.encode()) == recipe
    shuffled = {k: json.loads(line)[k] for k in reversed(json.loads(line))}
    assert recipes.parse(shuffled).json() == line
    assert json.loads(line)["operations"][0]["pixels"] == [[0, 0, 1, 2, 3], [0, 1, 255, 0, 0]]
    assert '"noise":1.0' in line and '"degrees":30.0' in line and '"to":[{"op":"sample"' in line


def test_the_name_follows_the_content():
    digests = {recipes.parse({**BASE, "seed": seed}).digest() for seed in (0, 1, 0)}
    assert len(digests) == 2 and all(len(d) == 12 for d in digests)


def nested(depth):
    walk = CENTER
    for _ in range(depth):
        walk = {"op": "walk", "seed": 0, "at": 0.5, "to": [SAMPLE, walk] if walk != CENTER else [SAMPLE]}
    return with_operations(SAMPLE, walk)


@pytest.mark.parametrize(
    "value, said",
    [
        ("{", "must be JSON"),
        ("[" * 100000, "must be JSON"),
        (b"\xff\xfe", "must be JSON"),
        ([], "an object of JSON: got []"),
        (None, "an object of JSON: got None"),
        ({}, "lacks recipe"),
        ({**BASE, "recipe": 2}, "recipe of a recipe must be 1"),
        ({**BASE, "recipe": True}, "recipe of a recipe must be 1"),
        ({**BASE, "model": "../x"}, "model of a recipe must be a hash"),
        ({**BASE, "picture": 5}, "picture of a recipe must be a hash"),
        ({**BASE, "seed": 1.5}, "seed of a recipe must be a whole number"),
        ({**BASE, "seed": 2**53}, "seed of a recipe must be a whole number"),
        ({**BASE, "more": 1}, "has no 'more'"),
        ({**BASE, "operations": []}, "must have operations"),
        ({**BASE, "operations": "sample"}, "must have operations"),
        (with_operations(SAMPLE, SAMPLE), "operations must be sample, then"),
        (with_operations({"op": "consistent"}), "operations must be sample, then"),
        (with_operations({"op": "consistent"}, SAMPLE), "operations must be sample, then"),
        (with_operations(*[ALL[1], ALL[0]]), "operations must be sample, then"),
        (with_operations(7), "an operation must be one of paint, sample"),
        (with_operations({"op": ["sample"]}), "an operation must be one of paint, sample"),
        (with_operations({**SAMPLE, "to": []}), "sample has no 'to'"),
        (with_operations({"op": "sample", "index": 1}), "sample lacks noise"),
        (with_operations({**SAMPLE, "index": -1}), "index of sample must be a whole number from 0"),
        (with_operations({**SAMPLE, "index": True}), "index of sample must be a whole number from 0"),
        (with_operations({**SAMPLE, "noise": float("nan")}), "noise of sample must be a number from 0 to 10"),
        (with_operations({**SAMPLE, "noise": "1"}), "noise of sample must be a number from 0 to 10"),
        (with_operations({**SAMPLE, "noise": 10**400}), "noise of sample must be a number from 0 to 10"),
        (with_operations(SAMPLE, {**ALL[2], "degrees": 91}), "degrees of near must be a number from 0 to 90"),
        (with_operations(SAMPLE, {**ALL[3], "cells": "0000"}), "cells of region must be a mask"),
        (with_operations(SAMPLE, {**ALL[3], "cells": "fff"}), "cells of region must be a mask"),
        (with_operations(SAMPLE, {**ALL[3], "cells": "zz"}), "cells of region must be a mask"),
        (with_operations(SAMPLE, {**ALL[3], "hold": 1}), "hold of region must be true or false"),
        (with_operations(SAMPLE, {**ALL[4], "to": [ALL[0], SAMPLE]}), "operations must be sample, then"),
        (with_operations(SAMPLE, {**ALL[4], "to": [SAMPLE, ALL[5]]}), "operations must be sample, then"),
        (with_operations(*[SAMPLE] + [ALL[2]] * 64), "64 operations at most"),
        (with_operations(SAMPLE, *[{**ALL[4], "to": [SAMPLE] + [ALL[2]] * 31}] * 2), "64 operations at most"),
        (with_operations({"op": "paint", "pixels": []}, SAMPLE), "pixels of paint must be a list of 1"),
        (with_operations({"op": "paint", "pixels": [[0, 0, 1, 2]]}, SAMPLE), "pixels of paint must be a list of pix"),
        (with_operations({"op": "paint", "pixels": [[0, 0, 256]]}, SAMPLE), "pixels of paint must be a whole number"),
        (with_operations({"op": "paint", "pixels": [[0, 0, 1], [0, 0, 2]]}, SAMPLE), "each of them once"),
        (nested(4), "nested 3 deep"),
    ],
)
def test_what_is_no_recipe_costs_one_line(value, said):
    with pytest.raises(UserError) as caught:
        recipes.parse(value)
    text = str(caught.value)
    assert said in text and "\n" not in text and len(text) < 300


def test_the_limits_themselves_are_taken():
    recipes.parse(nested(3))
    recipes.parse(with_operations(SAMPLE, *[ALL[2]] * 63))
    recipes.parse({**BASE, "seed": 2**53 - 1})
