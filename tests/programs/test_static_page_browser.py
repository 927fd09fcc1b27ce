"""The page without a server, in a real Chromium: its numbers are Python's, and Python makes its pictures again.

onnxruntime-web runs where build/ holds its package: npm pack onnxruntime-web@VERSION --pack-destination=build.
A stand-in runs everywhere. Its images come of onnxruntime in Python: what the page itself computes is compared exactly.
"""

import functools
import http.server
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from lag.explorer import static_page
from lag.explorer.onnxruntime_web import PROGRAM, SCRIPT, VERSION
from lag.explorer.recipe import DEEPEST, MOST_OPERATIONS, parse
from lag.explorer.remaking import load_recipes, make_again
from lag.upscaling.consistency import project
from libml import philox, seeds
from libml.errors import UserError
from tests.support import ROOT, browser
from tests.support.explorer import SAMPLE
from tests.support.onnx_file import SCALE, write_generator

if browser.MISSING:
    pytest.skip(f"NO BROWSER TESTS: without {' and '.join(browser.MISSING)}", allow_module_level=True)

from playwright.sync_api import expect

from tests.support.page import click, drop, opened, paint, pixels, png, ready, samples, saved

MISSING = "NO TESTS OF THE PAGE WITHOUT A SERVER: pip install -r requirements-onnx.txt"
onnx, onnxruntime = (pytest.importorskip(name, reason=MISSING) for name in ("onnx", "onnxruntime"))
PACKAGE = ROOT / "build" / f"onnxruntime-web-{VERSION}.tgz"
STAND_IN = """
export const env = { wasm: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
async function run({ lores, z }) {
  const body = new Blob([new Int32Array(lores.dims), lores.data, z.data]);
  const answer = await fetch("run", { method: "POST", body });
  return { hires: { data: new Float32Array(await answer.arrayBuffer()) } };
}
export const InferenceSession = { create: async () => ({ run }) };
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, and the stand-in's images."""

    session = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        n, h, w, colors = np.frombuffer(body, np.int32, 4)
        values = np.frombuffer(body, np.float32, offset=16)
        lores, z = np.split(values, [n * h * w * colors])
        feeds = {"lores": lores.reshape(n, h, w, colors), "z": z.reshape(n, h, w, -1)}
        made = self.session.run(["hires"], feeds)[0].tobytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(made)))
        self.end_headers()
        self.wfile.write(made)

    def log_message(self, *words):
        """Says nothing."""


@pytest.fixture(scope="module", params=["stand-in", "onnxruntime-web"])
def site(request, tmp_path_factory):
    """(address, model's file, the most grey levels that its pictures may be off)."""
    folder = tmp_path_factory.mktemp("site")
    write_generator(folder / "tiny.onnx")
    real = request.param == "onnxruntime-web"
    if real and not PACKAGE.exists():
        pytest.skip(f"ONNXRUNTIME-WEB IS NOT TESTED: npm pack onnxruntime-web@{VERSION} --pack-destination=build")
    with pytest.MonkeyPatch.context() as patch:
        if not real:
            patch.setattr(static_page, "runtime", lambda package: {SCRIPT: STAND_IN.encode(), PROGRAM: b""})
        static_page.write_page(folder / "tiny.onnx", folder / "page", str(PACKAGE), "nowhere")
    session = onnxruntime.InferenceSession(str(folder / "tiny.onnx"), providers=["CPUExecutionProvider"])
    handler = type("Handler", (Handler,), {"session": session})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(folder / "page"))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", folder / "tiny.onnx", int(real)
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(chromium, site):
    with opened(chromium, site[0]) as made:
        yield made


ALONE = pytest.mark.parametrize("site", ["stand-in"], indirect=True)  # for what onnxruntime has no part in


@ALONE
def test_its_numbers_are_pythons(page):
    draws = [(0, "upscale ab", 1, 4096), (2**53 - 1, "explore near \u00e9", 2**31 - 1, 1001), (-5, "x", 3, 6)]
    walk = {"op": "walk", "seed": 8, "at": 1e-4, "to": [SAMPLE, {**SAMPLE, "op": "near", "degrees": 11.25}]}
    paint_one = {"op": "paint", "pixels": [[0, 1, 2, 3, 4]]}
    region = {"op": "region", "cells": "0f", "index": 2, "noise": 1.5e-7, "hold": True}
    value = {"recipe": 1, "model": "ab", "picture": "cd", "seed": -3}
    value["operations"] = [paint_one, {**SAMPLE, "noise": 0.1 + 0.2}, region, walk, {"op": "consistent"}]
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, [4, 5, 3]).astype(np.uint8)
    small[0], small[1] = 0, 255
    levels = (small.repeat(4, 0).repeat(4, 1) + rng.normal(0, 60, [16, 20, 3])).astype(np.float32)
    made = page.evaluate(
        """async ([draws, recipe, small, levels]) => {
            const load = (name) => import(`./static/alone/${name}.js`);
            const { key, normals } = await load("noise");
            const { text, digest } = await load("recipe_text");
            const { project } = await load("consistency");
            const { bicubic } = await load("bicubic");
            const picture = { width: 5, height: 4, channels: 3, data: Uint8Array.from(small) };
            return {
                draws: draws.map(([seed, purpose, index, count]) => [...normals(count, key(seed, purpose), index)]),
                recipe: [text(recipe), digest(text(recipe))],
                projected: [...project(Float32Array.from(levels), picture, 4)],
                bicubic: [...bicubic(picture, 4).data],
            };
        }""",
        [draws, value, small.ravel().tolist(), levels.ravel().tolist()],
    )
    for (seed, purpose, index, count), ours in zip(draws, made["draws"], strict=True):
        expected = philox.normal_parts([0], count, seeds.key(seed, purpose), index)[0]
        assert np.array_equal(np.array(ours, np.float32).view(np.int32), expected.view(np.int32))
    assert made["recipe"] == [parse(value).json(), parse(value).digest()]
    assert np.array_equal(made["projected"], project(levels, small, 4).ravel())
    large = Image.fromarray(small).resize((20, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(made["bicubic"], np.asarray(large).ravel())


@ALONE
def test_it_makes_nothing_that_python_could_not_make_again(page):
    sample = [SAMPLE]
    walks = sample
    for _ in range(DEEPEST + 1):
        walks = [SAMPLE, {"op": "walk", "seed": 0, "at": 0.5, "to": walks}]
    near = {**SAMPLE, "op": "near", "degrees": 1.0}
    for operations in (walks, sample + MOST_OPERATIONS * [near]):
        with pytest.raises(UserError) as refused:
            parse({"recipe": 1, "model": "ab", "picture": "cd", "seed": 0, "operations": operations})
        said = page.evaluate(
            """async (operations) => {
                const { render } = await import("./static/alone/rendering.js");
                const model = { facts: { scale: 4, colors: 3, noise_dim: 2, shared_dim: 0, fingerprint: "ab" } };
                const picture = { width: 1, height: 1, channels: 3, data: Uint8Array.of(0, 0, 0), name: "cd" };
                model.generate = () => new Float32Array(48);
                return render(model, picture, { model: "ab", seed: 0, operations }).then(() => null, (e) => e.message);
            }""",
            operations,
        )
        assert said == str(refused.value)


def made_again(page, site, tmp_path, shown: bytes, recipe: str, name: str) -> np.ndarray:
    """The picture that upscale.py --recipe makes of a recipe, having compared it with what the page has saved."""
    from lag.formats.registry import load_model

    model, folder = load_model(site[1]), tmp_path / name
    folder.mkdir()
    (folder / "small.png").write_bytes(saved(page, "#small-save"))
    (folder / recipe).write_bytes(shown)
    recipes = load_recipes(folder / recipe)
    make_again(model, recipes, folder / "small.png", folder / "large", overwrite=False)
    (file,) = (folder / "large").iterdir()
    assert file.stem == f"lag_{recipes[0].digest()}"
    return pixels(file.read_bytes())


def test_what_one_does_on_it_is_made_again_by_python(page, site, tmp_path):
    assert page.locator("#consistent").is_checked() and page.locator("#choosing").is_hidden()
    expect(page.locator("#no-critic")).to_be_visible()
    expect(page.locator("#model")).to_contain_text("no picture leaves it")
    compared = []

    def compare(name):
        shown = saved(page)
        again = made_again(page, site, tmp_path, shown, "picture.png", name)
        compared.append(np.abs(pixels(shown) - again))

    compare("example")
    drop(page, png(5, 6))
    expect(page.locator("#small-said")).to_contain_text("6 \u00d7 5 pixels")
    page.locator("#consistent").uncheck()
    page.locator("#noise").fill("0.7")
    click(page, "#roll")
    assert len(set(samples(page))) == 8
    page.locator("#grid button").nth(2).click()
    ready(page)
    before = pixels(saved(page))
    compare("sample")
    page.locator("#region").check()
    paint(page, "#picture", (1, 1), (1, 3), (3, 3), columns=6, rows=5)
    click(page, "#region-roll")
    rolled = pixels(saved(page))
    cells = np.zeros([5, 6], bool)
    cells[1, 1:4] = cells[1:4, 3] = True
    changed, inside = np.any(before != rolled, -1), cells.repeat(SCALE, 0).repeat(SCALE, 1)
    assert not changed[~inside].any() and changed[inside].mean() > 0.5
    page.locator("#walk-from").click()
    page.locator("#pencil").check()
    paint(page, "#small", (0, 0), (0, 3), columns=6, rows=5)
    click(page, "#near")
    page.locator("#grid button").nth(6).click()
    ready(page)
    page.locator("#walk-to").click()
    page.locator("#walk-at").fill("0.35")
    expect(page.locator("#name")).to_contain_text("35 % of a walk")
    click(page, "#consistent")
    page.locator("#pin").click()
    name = page.locator("#name").text_content()
    shown = saved(page, "#tray button >> text=PNG")
    recipe = saved(page, "#tray button >> text=JSON")
    made = [o["op"] for o in json.loads(recipe)["operations"]]
    assert made == ["paint", "sample", "region", "walk", "consistent"]
    again = made_again(page, site, tmp_path, recipe, "recipe.jsonl", "walk")
    compared.append(np.abs(pixels(shown) - again))
    assert max(difference.max() for difference in compared) <= site[2]
    with Image.open(io.BytesIO(saved(page, "#walk-save"))) as image:
        assert (image.format, image.n_frames, image.size) == ("PNG", 46, (24, 20))
    page.reload()
    expect(page.locator("#name")).to_have_text(name)
    ready(page)
    assert np.array_equal(pixels(saved(page)), pixels(shown))


@ALONE
def test_a_large_picture_is_cropped_and_compared_in_the_page(page):
    page.locator("#file").set_input_files({"name": "large.png", "mimeType": "image/png", "buffer": png(100, 150)})
    page.locator("#crop-size").fill("12")
    page.locator("#crop-use").click()
    expect(page.locator("#small-said")).to_contain_text("12 \u00d7 12 pixels")
    seen = set()
    for what in ("none", "input", "bicubic", "original"):
        page.locator("#compare").select_option(what)
        ready(page)
        seen.add(page.locator("#picture").evaluate("c => c.toDataURL()"))
    assert len(seen) == 4
    drop(page, b"no picture")
    expect(page.locator("#error")).to_contain_text("cannot read it as a picture")
    click(page, "#roll")
