"""Pages of titled images: where each image lies, how much larger it is, and that words are there."""

import numpy as np
import pytest

from libml.images import to_uint8
from libml.page import Figure, draw

INK = 100  # grey levels below which is ink on white paper


def figure(colors=3, size=20):
    """A row of three images of noise, which no word looks like."""
    images = np.random.default_rng(0).uniform(-1, 1, [3, size, size, colors]).astype(np.float32)
    return Figure("a title", ["one", "two", "three"], [("#7", list(images))])


def places(page: np.ndarray, image: np.ndarray) -> list[tuple[int, int]]:
    """(y, x) of an image in a page, found by its first rows."""
    h, w = image.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(page[..., 0], (4, w))
    found = np.argwhere((windows == image[:4, :, 0]).all(axis=(2, 3)))
    return [(y, x) for y, x in found if np.array_equal(page[y : y + h, x : x + w], image)]


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("cell, larger", [(20, 1), (21, 2), (96, 5), (100, 5), (101, 6)])
def test_images_are_enlarged_by_the_least_whole_factor_that_makes_a_cell(cell, larger, colors):
    drawn = figure(colors)
    page, corners = draw(drawn, cell), []
    assert page.dtype == np.uint8 and page.shape[2] == 3
    for image in drawn.rows[0][1]:
        big = np.kron(to_uint8(image), np.ones((larger, larger, 1), np.uint8))
        (corner,) = places(page, big.repeat(3 // colors, axis=-1))
        corners.append(corner)
    (y, x), *others = corners
    assert [other[0] for other in others] == [y, y]
    assert x + 20 * larger < others[0][1] and others[1][1] - others[0][1] == others[0][1] - x


def test_a_page_has_its_words():
    """A title above all, a word above each column, one before each row; without them there is no ink."""
    drawn = figure()
    page, blank = (draw(f) for f in (drawn, Figure("", ["", "", ""], [("", drawn.rows[0][1])])))
    ((y, x),) = places(page, np.kron(to_uint8(drawn.rows[0][1][0]), np.ones((5, 5, 1), np.uint8)))
    for part in (page[: y // 2], page[y // 2 : y, x : x + 100], page[y : y + 100, :x]):
        assert np.any(part < INK)
    assert np.all(blank[:20] == 255)


def test_a_page_depends_on_its_figure_alone():
    np.testing.assert_array_equal(draw(figure()), draw(figure()))
