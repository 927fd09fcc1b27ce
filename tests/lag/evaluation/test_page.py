"""The report as a page: what is in it, and that it needs nothing else."""

import base64
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from lag.evaluation.evaluate import Row
from lag.evaluation.image_folders import new_image_folders
from lag.evaluation.methods import LoadedRun, nearest
from lag.evaluation.page import as_html
from lag.evaluation.pairs import Pairs
from lag.evaluation.records import as_json, speeds_as_csv
from lag.evaluation.tables import Report
from lag.figures.svg import Line, plot
from libml.errors import UserError
from libml.images import encode_png
from libml.training.config import RunConfig

PNG = encode_png(np.zeros([4, 5, 3], np.uint8))


class Page(HTMLParser):
    """The cells of each table, the elements and all attributes."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.attributes, self._cell = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = (dict(attributes).get("data-value"), [])
            self.tables[-1][-1].append(self._cell)

    def handle_data(self, data):
        if self._cell:
            self._cell[1].append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self._cell = None


@pytest.fixture(scope="module")
def found():
    hires = np.zeros([3, 8, 8, 3], np.uint8)
    pairs = Pairs(hires, np.zeros([3, 2, 2, 3], np.float32), range(3), 4, "average")
    curves = {"truth_rank": np.array([0.1, 0.4, 0.5]), "nearest_sample": np.array([30.0, 20.0]),
              "spectrum": np.array([[4.0, 1.0], [2.0, 1.0]])}  # fmt: skip
    bad = {"psnr": 20.0, "rmse": 9.0, "swd": 90.0, "swd_8": 90.0, "energy_score": 9.5}
    good = {"psnr": 21.5, "rmse": 8.0, "swd": 20.0, "swd_8": 20.0, "energy_score": 5.0, "spread": 0.9}
    plain = Row("near <est>", 0, 1, bad, {"psnr": 0.25}, {}, 0, 1000.0, hires[:1], {})
    noisy = Row("LAG", 1, 2, good, {"psnr": 0.5}, curves, 1234, 55.5, hires[:1], {})
    rows = [plain, noisy._replace(std=0.5), noisy]
    run = LoadedRun("LAG", nearest(4), "a/run", RunConfig(dataset="x"), 3, 2048)
    return Report("x", 3, 2, 0, "", pairs, [run], rows, {"kid": "none & none"}, {8: 5.0})


def test_all_numbers_are_in_tables_that_can_be_sorted(found):
    page = Page(as_html(found, PNG))
    distortion = page.tables[0]
    assert ["".join(words) for _, words in distortion[0]][:3] == ["method", "noise", "PSNR ↑"]
    assert "".join(distortion[1][0][1]) == "near <est>"
    assert [row[2][0] for row in distortion[1:]] == ["20.0", "21.5", "21.5"]
    assert ["".join(row[2][1]) for row in distortion[1:]] == ["20.00 ± 0.25", "21.50 ± 0.50", "21.50 ± 0.50"]
    assert distortion[1][4][0] == "" and "".join(distortion[1][4][1]) == "-"  # no SSIM
    speed = page.tables[-1]
    assert ["".join(words) for _, words in speed[-1]] == ["LAG", "1", "1234", "55.5"]
    assert len(page.tables) == len(found.groups) + 1 and "none & none" in re.sub("&amp;", "&", as_html(found, PNG))


def test_the_page_needs_nothing_else(found):
    text = as_html(found, PNG)
    page = Page(text)
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    (picture,) = sources
    assert Image.open(io.BytesIO(base64.b64decode(picture.removeprefix("data:image/png;base64,")))).size == (5, 4)
    assert "http" not in text and "link" not in page.tags and page.tags.count("script") == 1


def test_plots_are_there_for_what_was_measured(found):
    text = as_html(found, PNG)
    titles = re.findall(r'<svg[^>]*aria-label="([^"]*)"', text)
    assert [title.split(":")[0] for title in titles] == [
        "Distortion against realism", "Energy score", "Spread ratio", "Calibration at noise 1",
        "Nearest sample at noise 1", "Power over the true images&#x27;",
    ]  # fmt: skip
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        ElementTree.fromstring(svg)
    assert "LAG: 0.6667, 0.5" in text  # a third and a half of the inputs have the two lowest of three ranks
    assert "LAG, 1: 1, 3.01" in text  # dB


def test_curves_are_in_the_record(found):
    curves = as_json(found)["rows"][-1]["curves"]
    assert curves == {"truth_rank": [[0.1, 0.4, 0.5]], "nearest_sample": [[30, 20]], "spectrum": [[4, 1], [2, 1]]}
    assert as_json(found)["rows"][0]["curves"] == {} and as_json(found)["runs"][0]["parameters"] == 0


def test_speeds(found):
    assert speeds_as_csv(found).splitlines()[0] == "method,noise,parameters,images_per_second"
    assert speeds_as_csv(found).splitlines()[-1] == "LAG,1,1234,55.5"


def test_a_plot_as_svg():
    svg = ElementTree.fromstring(plot("a < b", "x", "y", [Line("one", [(0, 0), (2, 8)]), Line("ref", [(1, 1)], True)]))
    circles = [c for c in svg.iter("circle") if c.find("title") is not None]
    (x0, y0), (x1, y1) = ((float(c.get("cx")), float(c.get("cy"))) for c in circles)
    assert x0 < x1 and y0 > y1 and circles[1].find("title").text == "one: 2, 8"
    assert len(list(svg.iter("polyline"))) == 2 and "a < b" in [t.text for t in svg.iter("text")]


def test_pictures_are_written_whole_or_not_at_all(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, [2, 3, 8, 8, 3], np.uint8)
    with new_image_folders(tmp_path / "pictures", True) as pictures:
        pictures.save_truth(images[0])
        pictures.save_row("LAG 1", 0.5, images)
        pictures.save_row("bicubic", 0, images[:1])
        assert not (tmp_path / "pictures").exists()
    names = sorted(str(p.relative_to(tmp_path / "pictures")) for p in (tmp_path / "pictures").rglob("*.png"))
    folders = ["LAG_1_noise0.5/sample0", "LAG_1_noise0.5/sample1", "bicubic_noise0", "truth"]
    assert names == [f"{folder}/00000{i}.png" for folder in folders for i in range(3)]
    shown = np.asarray(Image.open(tmp_path / "pictures" / "LAG_1_noise0.5" / "sample1" / "000002.png"))
    np.testing.assert_array_equal(shown, images[1, 2])
    with pytest.raises(UserError, match="is there already"), new_image_folders(tmp_path / "pictures", True):
        pass
    with pytest.raises(ValueError), new_image_folders(tmp_path / "other", True) as pictures:
        pictures.save_truth(images[0])
        raise ValueError
    with new_image_folders(tmp_path / "none", False) as pictures:
        assert pictures is None
    assert [p.name for p in tmp_path.iterdir()] == ["pictures"]
