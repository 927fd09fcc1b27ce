"""From recipes to pictures: what each operation does to the noise and to the picture."""

import numpy as np
import pytest
from scipy import ndimage

from lag.explorer.rendering import feathered, mask, render
from lag.upscaling.consistency import lores_errors
from lag.upscaling.one_picture import upscale
from libml.errors import UserError
from tests.support.explorer import CENTER, SAMPLE, cells, made, small

SCALE, H, W = 4, 5, 6
PATCH = np.zeros([H, W], bool)
PATCH[1:4, 2:5] = True
OUTSIDE = ~PATCH.repeat(SCALE, 0).repeat(SCALE, 1)
REGION = {"op": "region", "cells": cells(PATCH), "index": 5, "noise": 1.0, "hold": True}
NEAR = {"op": "near", "index": 2, "noise": 1.0, "degrees": 20}


def spied(model):
    """What renders operations; a list beside it takes the noise maps that the generator was given."""
    maps = []

    def generate(lores, z):
        maps.extend(z.copy())
        return model.generate(lores, z)

    spy, picture = model._replace(generate=generate), small(H, W)

    def draw(*operations, seed=0):
        maps.clear()
        return render(spy, picture, made(model, picture, *operations, seed=seed)).astype(int)

    return draw, maps


@pytest.fixture
def drawn(model):
    return spied(model)


def test_samples_are_those_of_the_program(model):
    picture = small(H, W)
    results = upscale(model, picture, [0, 1, 2], 0.7, 3, 64, False)
    for index, result in enumerate(results):
        pixels = render(model, picture, made(model, picture, {**SAMPLE, "index": index, "noise": 0.7}, seed=3))
        assert np.max(np.abs(pixels.astype(int) - result.pixels)) <= 1


def test_the_same_recipe_gives_the_same_pixels(model):
    picture, other = small(H, W), small(4, 4, seed=1)
    recipe = made(model, picture, SAMPLE, NEAR, REGION)
    first = render(model, picture, recipe)
    render(model, other, made(model, other, SAMPLE))
    assert np.array_equal(first, render(model, picture, recipe))


def test_near_turns_the_noise_and_keeps_its_size(drawn):
    draw, maps = drawn
    draw(SAMPLE)
    z0 = maps[0]
    draw(SAMPLE, {**NEAR, "degrees": 90})
    z1 = maps[0]
    draw(SAMPLE, NEAR)
    assert np.allclose(maps[0], np.cos(np.pi / 9) * z0 + np.sin(np.pi / 9) * z1, atol=1e-6)
    assert 0.7 < z1.std() < 1.3 and abs(np.corrcoef(z0.ravel(), z1.ravel())[0, 1]) < 0.5
    draw(SAMPLE, {**NEAR, "degrees": 0})
    assert np.array_equal(maps[0], z0)


def test_a_held_region_changes_nothing_outside(drawn):
    draw, _ = drawn
    before, after = draw(SAMPLE), draw(SAMPLE, REGION)
    assert np.array_equal(before[OUTSIDE], after[OUTSIDE])
    assert np.abs(before - after)[~OUTSIDE].mean() > 5
    twice = draw(SAMPLE, REGION, {**REGION, "index": 6})
    assert np.array_equal(before[OUTSIDE], twice[OUTSIDE]) and not np.array_equal(twice, after)
    straight = draw(SAMPLE, {"op": "consistent"})
    assert np.array_equal(straight[OUTSIDE], draw(SAMPLE, REGION, {"op": "consistent"})[OUTSIDE])


def test_a_region_that_the_rest_follows_is_new_noise_there_alone(drawn):
    draw, maps = drawn
    draw(SAMPLE)
    z0 = maps[0]
    before, after = draw(SAMPLE), draw(SAMPLE, {**REGION, "hold": False})
    assert len(maps) == 1 and np.array_equal(maps[0][~PATCH], z0[~PATCH]) and np.all(maps[0][PATCH] != z0[PATCH])
    assert not np.array_equal(before[OUTSIDE], after[OUTSIDE])  # which is why regions are held


def test_a_region_keeps_the_noise_that_counts_for_the_whole_picture(model):
    corner = np.zeros([H, W], bool)
    corner[:2, :2] = True
    draw, maps = spied(model._replace(card={**model.card, "shared_dim": 1}))
    draw(SAMPLE)
    z0 = maps[0]
    draw(SAMPLE, {**REGION, "cells": cells(corner), "hold": False})
    assert np.array_equal(z0[..., :1], maps[0][..., :1])
    assert np.all((z0[..., 1:] != maps[0][..., 1:]) == corner[..., None])


def test_what_follows_a_held_region_applies_to_all(drawn):
    draw, _ = drawn
    follow = {**REGION, "hold": False}
    # A neighbour of a candidate that is held outside of a region is, outside, that neighbour of the first.
    assert np.array_equal(draw(SAMPLE, NEAR)[OUTSIDE], draw(SAMPLE, REGION, NEAR)[OUTSIDE])
    middle = np.zeros([H * SCALE, W * SCALE], bool)
    middle[2 * SCALE : 3 * SCALE, 3 * SCALE : 4 * SCALE] = True  # whole weight
    assert np.array_equal(draw(SAMPLE, follow, NEAR)[middle], draw(SAMPLE, REGION, NEAR)[middle])


def test_a_walk_leads_from_one_to_the_other(drawn):
    draw, maps = drawn
    other = [{**SAMPLE, "index": 9}, NEAR, REGION]
    walk = {"op": "walk", "seed": 4, "to": other}
    mine = [SAMPLE, {**REGION, "cells": cells(~PATCH)}]
    assert np.array_equal(draw(*mine, {**walk, "at": 0}), draw(*mine))
    assert np.max(np.abs(draw(*mine, {**walk, "at": 1}) - draw(*other, seed=4))) <= 1
    draw(*other, seed=4)
    z1 = maps[0]
    draw(SAMPLE)
    z0 = maps[0]
    draw(SAMPLE, {**walk, "at": 0.5})
    assert np.allclose(maps[0], (z0 + z1) / np.sqrt(2), atol=1e-6)
    near, far = (np.abs(draw(*mine, {**walk, "at": at}) - draw(*mine)).mean() for at in (0.1, 0.6))
    assert 0 < near < far


def test_paint_changes_the_small_picture_and_keeps_the_noise(drawn):
    draw, maps = drawn
    draw(SAMPLE)
    z0 = maps[0]
    paint = {"op": "paint", "pixels": [[0, 5, 0, 0, 0], [1, 5, 255, 255, 255]]}
    painted = draw(paint, SAMPLE, {"op": "consistent"})
    assert np.array_equal(maps[0], z0)
    wanted = small(H, W).pixels.copy()
    wanted[0, 5], wanted[1, 5] = 0, 255
    assert not np.any(lores_errors(painted.astype(np.uint8), wanted, SCALE))


def test_grey_pictures_stay_grey(model):
    picture = small(H, W, colors=1)
    assert render(model, picture, made(model, picture, CENTER)).shape == (H * SCALE, W * SCALE, 1)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_border_of_a_region_is_soft_inside_and_nothing_outside(scale):
    weight = feathered(PATCH, scale)[..., 0]
    large = PATCH.repeat(scale, 0).repeat(scale, 1)
    assert not weight[~large].any() and weight.max() == 1 and weight[large].min() > 0
    # The rings are those of the chessboard distance to the nearest pixel outside.
    rings = ndimage.distance_transform_cdt(large, "chessboard")
    assert all(len(set(weight[rings == ring])) == 1 for ring in np.unique(rings))
    assert np.all(weight[rings > scale // 2] == 1)
    corner = np.zeros([2, 2], bool)
    corner[0, 0] = True
    assert feathered(corner, scale)[0, 0, 0] == 1  # the picture's own border is none of the region's


def test_masks_are_row_by_row():
    assert np.array_equal(mask(cells(PATCH), H, W), PATCH)
    assert np.argwhere(mask("8001", 2, 8)).tolist() == [[0, 0], [1, 7]]


@pytest.mark.parametrize(
    "operations, said",
    [
        ([SAMPLE, {**REGION, "cells": "ff"}], "no mask of 5 x 6 pixels"),
        ([SAMPLE, {**REGION, "cells": "00000001"}], "no mask of 5 x 6 pixels"),
        ([{"op": "paint", "pixels": [[5, 0, 1, 1, 1]]}, SAMPLE], "this picture is 6 x 5"),
        ([{"op": "paint", "pixels": [[0, 0, 1]]}, SAMPLE], "of 1 colours"),
        ([SAMPLE] + [REGION] * 32, "32 regions at most"),
    ],
)
def test_what_does_not_fit_the_picture_costs_one_line(drawn, operations, said):
    with pytest.raises(UserError, match=said):
        drawn[0](*operations)


def test_recipes_of_others_are_refused(model):
    picture, other, large = small(), small(seed=1), small(65, 2)
    with pytest.raises(UserError, match="of the picture"):
        render(model, other, made(model, picture, SAMPLE))
    with pytest.raises(UserError, match="of the model"):
        render(model._replace(fingerprint="another"), picture, made(model, picture, SAMPLE))
    with pytest.raises(UserError, match="64 x 64 at most"):
        render(model, large, made(model, large, SAMPLE))
