"""The explorer's page in a real Chromium: what a person does with it, and what it asks of whom."""

import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from lag.explorer.server import App, bind
from lag.explorer.session import load_session
from tests.support import browser
from tests.support.programs import start
from tests.support.untrained import untrained_run

if browser.MISSING:
    pytest.skip(f"NO BROWSER TESTS: without {' and '.join(browser.MISSING)}", allow_module_level=True)

from playwright.sync_api import expect

from tests.support.page import click, drop, opened, paint, pixels, png, ready, samples, saved

SCALE = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs"), dataset="toyfaces32")


@pytest.fixture(scope="module")
def server(run):
    """(address, session) of a server in a thread."""
    session = load_session(run, "nowhere")
    session.warm_up()
    listening = bind(App(session), "127.0.0.1", 0)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}/", session
    listening.shutdown()
    thread.join()


@pytest.fixture
def page(chromium, server):
    """The page with its first test image; at the end, nothing was asked of others and nothing complained."""
    with opened(chromium, server[0]) as made:
        yield made


def test_a_dropped_picture_becomes_samples_and_steps_go_back(page, server):
    first = pixels(saved(page))
    assert first.shape == (32, 32, 3)
    drop(page, png(5, 6))
    expect(page.locator("#small-said")).to_contain_text("6 \u00d7 5 pixels")
    ready(page)
    center = pixels(saved(page))
    assert center.shape == (20, 24, 3) and len(samples(page)) == 8
    before = samples(page)
    click(page, "#roll")
    after = samples(page)
    assert all(a != b for a, b in zip(before, after, strict=True))
    page.locator("#grid button").nth(2).click()
    expect(page.locator("#name")).to_have_text("sample 3 of seed 1")
    ready(page)
    third = pixels(saved(page))

    page.reload()
    expect(page.locator("#name")).to_have_text("sample 3 of seed 1")
    assert samples(page) == after and np.array_equal(pixels(saved(page)), third)
    page.locator("#undo").click()
    expect(page.locator("#name")).to_have_text("the centre")
    page.locator("body").press("Control+z")
    expect(page.locator("#seed")).to_have_value("0")
    assert samples(page) == before
    page.locator("#redo").click()
    expect(page.locator("#seed")).to_have_value("1")
    assert samples(page) == after
    page.go_back()
    page.go_back()
    expect(page.locator("#small-said")).to_contain_text("8 \u00d7 8 pixels")
    ready(page)
    assert np.array_equal(pixels(saved(page)), first) and page.locator("#undo").is_disabled()


def test_a_region_is_rolled_again_and_the_rest_is_held(page):
    page.locator("#grid button").nth(0).click()
    ready(page)
    before = pixels(saved(page))
    page.locator("#region").check()
    paint(page, "#picture", (2, 2), (2, 5), (4, 5))
    click(page, "#region-roll")
    expect(page.locator("#changed")).to_be_visible()
    after = pixels(saved(page))
    cells = np.zeros([8, 8], bool)
    cells[2, 2:6] = cells[2:5, 5] = True
    inside = cells.repeat(SCALE, 0).repeat(SCALE, 1)
    assert np.array_equal(before[~inside], after[~inside]) and np.any(before != after, -1)[inside].mean() > 0.02
    shown = page.locator("#heat").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 == 0)"
    )
    side = int(len(shown) ** 0.5)
    hot = np.reshape(shown, [32, side // 32, 32, side // 32])[:, 0, :, 0] > 0
    assert not hot[~inside].any() and hot[inside].any()

    page.locator("#undo").click()
    expect(page.locator("#name")).to_have_text("sample 1 of seed 0")
    page.locator("#follow").check()
    click(page, "#region-roll")
    followed = pixels(saved(page))
    assert not np.array_equal(before[~inside], followed[~inside])


def test_a_walk_leads_from_one_to_the_other_and_can_be_saved(page):
    ends = []
    for i, name in ((1, "#walk-from"), (4, "#walk-to")):
        page.locator("#grid button").nth(i).click()
        ready(page)
        ends.append(pixels(saved(page)))
        page.locator(name).click()
    for at, end in ((0, ends[0]), (1, ends[1])):
        page.locator("#walk-at").fill(str(at))
        expect(page.locator("#name")).to_contain_text(f"{100 * at} % of a walk")
        ready(page)
        assert np.max(np.abs(pixels(saved(page)) - end)) <= 1
    page.locator("#walk-at").fill("0.5")
    ready(page)
    middle = pixels(saved(page))
    assert all(np.abs(middle - end).mean() > 1 for end in ends)
    with Image.open(io.BytesIO(saved(page, "#walk-save"))) as image:
        assert (image.format, image.n_frames, image.size) == ("WEBP", 46, (32, 32))


def test_pins_are_made_again_by_the_program(page, run, tmp_path):
    page.locator("#grid button").nth(3).click()
    page.locator("#pencil").check()
    paint(page, "#small", (0, 0), (0, 3))
    page.locator("#consistent").check()
    click(page, "#near")
    page.locator("#grid button").nth(7).click()
    ready(page)
    page.locator("#pin").click()
    shown = saved(page, "#tray button >> text=PNG")
    (tmp_path / "pin.jsonl").write_bytes(saved(page, "#tray button >> text=JSON"))
    (tmp_path / "small.png").write_bytes(saved(page, "#small-save"))
    recipe = json.loads((tmp_path / "pin.jsonl").read_text())
    assert [o["op"] for o in recipe["operations"]] == ["paint", "sample", "near", "consistent"]
    words = [f"--model={run}", f"--input={tmp_path / 'small.png'}", f"--output={tmp_path / 'large'}"]
    done = start("scripts/upscale.py", *words, f"--recipe={tmp_path / 'pin.jsonl'}")
    assert done.returncode == 0, done.stderr
    assert [file.read_bytes() for file in (tmp_path / "large").iterdir()] == [shown]

    page.locator("#tray button >> text=Remove").click()
    expect(page.locator("#tray figure")).to_have_count(0)
    page.locator("#undo").click()
    expect(page.locator("#tray figure")).to_have_count(1)


def test_a_large_picture_is_cropped_with_the_keyboard_and_compared(page):
    page.locator("#file").set_input_files({"name": "large.png", "mimeType": "image/png", "buffer": png(100, 150)})
    expect(page.locator("#cropper")).to_be_visible()
    expect(page.locator("#frame")).to_be_focused()
    left = page.locator("#crop-left")
    expect(left).to_have_value("25")
    page.keyboard.press("ArrowLeft")
    expect(left).to_have_value("22")
    page.keyboard.press("-")
    expect(page.locator("#crop-side")).to_have_value("90")
    page.locator("#crop-size").fill("12")
    page.locator("#crop-use").click()
    expect(page.locator("#small-said")).to_contain_text("12 \u00d7 12 pixels")
    ready(page)
    plain = page.locator("#picture").evaluate("c => c.toDataURL()")
    seen = {plain}
    for what in ("input", "bicubic", "original", "center"):
        for how in ("wipe", "difference", "heat"):
            page.locator("#compare").select_option(what)
            page.locator("#how").select_option(how)
            ready(page)
            seen.add(page.locator("#picture").evaluate("c => c.toDataURL()"))
    assert len(seen) >= 1 + 4 * 3 - 2  # the centre does not differ from itself: two of its views are black
    page.locator("#compare").select_option("none")
    ready(page)
    assert page.locator("#picture").evaluate("c => c.toDataURL()") == plain


def test_the_critic_chooses(page):
    page.locator("#of").fill("12")
    page.locator("#count").fill("4")
    page.locator("#count").press("Enter")
    click(page, "#diverse")
    expect(page.locator("#grid-said")).to_contain_text("farthest apart of 12")
    assert len(samples(page)) == 4 and "the centre" in samples(page)[0]
    click(page, "#best")
    expect(page.locator("#grid-said")).to_contain_text("most realistic of 12")
    click(page, "#plain")
    assert samples(page)[0].startswith("sample 1 of seed 0")


def test_the_pencil_works_with_the_keyboard_and_changes_the_picture(page):
    before = pixels(saved(page))
    page.locator("#pencil").check()
    page.locator("#small").focus()
    for key in ("ArrowDown", "ArrowRight", " "):
        page.keyboard.press(key)
    expect(page.locator("#small-said")).to_contain_text("1 of them painted")
    ready(page)
    assert not np.array_equal(before, pixels(saved(page)))
    click(page, "#paint-clear")
    assert np.array_equal(before, pixels(saved(page)))


def test_a_server_that_forgot_the_picture_is_given_it_again(page, server):
    drop(page, png(5, 6, seed=3))
    expect(page.locator("#small-said")).to_contain_text("6 \u00d7 5 pixels")
    ready(page)
    before = pixels(saved(page))
    _, session = server
    session.known._items.clear()
    session._results._items.clear()
    page.reload()
    ready(page)
    assert np.array_equal(pixels(saved(page)), before)
    page.forgiven = ["404"]  # the browser reports it


def test_a_model_trained_to_be_consistent_begins_so(page, server, monkeypatch):
    address, session = server
    expect(page.locator("#consistent")).not_to_be_checked()
    monkeypatch.setitem(session.model.card["parameters"], "consistent", True)
    page.goto(address)
    ready(page)
    expect(page.locator("#consistent")).to_be_checked()
    assert np.array_equal(pixels(saved(page)).reshape(8, 4, 8, 4, 3).mean((1, 3)), pixels(saved(page, "#small-save")))
    page.locator("#consistent").uncheck()
    page.reload()
    ready(page)
    expect(page.locator("#consistent")).not_to_be_checked()


def test_a_browser_that_takes_no_more_addresses_costs_nothing(page):
    page.evaluate(
        """() => {
            window.calls = 0;
            for (const name of ["pushState", "replaceState"]) {
                const way = history[name].bind(history);
                history[name] = (...words) => {
                    window.calls += 1;
                    if (window.full) throw new DOMException("too many", "SecurityError");
                    way(...words);
                };
            }
        }"""
    )
    slide = (
        "(s, last) => { for (let i = 1; i <= last; i++) { s.value = i / 100; s.dispatchEvent(new Event('input')); } }"
    )
    slider = page.locator("#noise")
    slider.evaluate(slide, 60)
    slider.dispatch_event("change")
    ready(page)
    assert page.evaluate("window.calls") <= 4  # the first, one after a pause or two, and the last
    page.evaluate("window.full = true")
    slider.evaluate(slide, 30)
    slider.dispatch_event("change")
    expect(page.locator("#noise-said")).to_have_text("0.30")
    click(page, "#roll")
    assert samples(page)[0].startswith("sample 1 of seed 1")
    page.evaluate("window.full = false")
    slider.evaluate(slide, 40)
    slider.dispatch_event("change")
    ready(page)
    page.reload()
    expect(page.locator("#noise-said")).to_have_text("0.40")
    assert samples(page)[0].startswith("sample 1 of seed 1")


def test_what_is_asked_while_a_request_fails_is_shown(page):
    page.evaluate(
        """() => {
            const ask = window.fetch;
            window.fetch = async (url, ...words) => {
                if (url !== "/api/render") return ask(url, ...words);
                window.fetch = ask;
                window.asked();
                await new Promise((resolve) => (window.fail = resolve));
                return new Response('{"error": "it is ill"}', { status: 400 });
            };
            window.asking = new Promise((resolve) => (window.asked = resolve));
        }"""
    )
    page.locator("#roll").click()
    page.evaluate("() => window.asking")
    page.locator("#roll").click()
    page.evaluate("window.fail()")
    expect(page.locator("#seed")).to_have_value("2")
    assert samples(page)[0].startswith("sample 1 of seed 2")


def test_neighbours_of_a_neighbour_have_noise_of_their_own(page, tmp_path):
    for _ in range(2):
        click(page, "#near")
        page.locator("#grid button").nth(7).click()
        ready(page)
    page.locator("#pin").click()
    recipe = json.loads(saved(page, "#tray button >> text=JSON"))
    assert [o["index"] for o in recipe["operations"] if o["op"] == "near"] == [8, 16]


def test_an_empty_number_is_none(page):
    page.locator("#count").fill("")
    page.locator("#count").press("Enter")
    page.locator("#seed").focus()
    expect(page.locator("#count")).to_have_value("8")
    assert len(samples(page)) == 8


def test_paint_ends_what_was_chosen_without_it(page):
    page.locator("#of").fill("9")
    page.locator("#of").press("Enter")
    click(page, "#best")
    expect(page.locator("#grid-said")).to_contain_text("most realistic of 9")
    page.locator("#pencil").check()
    paint(page, "#small", (0, 0), (0, 3))
    expect(page.locator("#grid-said")).not_to_contain_text("most realistic")


def test_a_file_that_failed_can_be_chosen_again(page):
    for _ in range(2):
        page.locator("#file").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
        expect(page.locator("#error")).to_contain_text("cannot read it as a picture")
        expect(page.locator("#status")).to_be_empty()
        page.locator("#roll").click()
        expect(page.locator("#error")).to_be_empty()
        ready(page)
    page.forgiven = ["400"]  # the browser reports it


def test_what_cannot_be_taken_costs_one_line(page, monkeypatch):
    said = page.locator("#error")
    drop(page, b"no picture")
    expect(said).to_contain_text("cannot read it as a picture")
    monkeypatch.setattr("lag.explorer.server.MOST_UPLOADED", 100)
    page.reload()
    ready(page)
    drop(page, png(9, 9))
    expect(said).to_have_text("The file has more than 100 bytes: give a smaller picture.")
    click(page, "#roll")
    expect(said).to_be_empty()
    page.forgiven = ["400"]  # the browser reports it


def test_it_fits_any_screen(page):
    page.locator("#region").check()
    for width, scheme in ((360, "light"), (760, "dark"), (1280, "light"), (1920, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        cut = page.evaluate(
            "[...document.querySelectorAll('button, input, select, canvas')].filter(e => e.checkVisibility() && "
            "(e.getBoundingClientRect().right > innerWidth || e.getBoundingClientRect().left < 0)).map(e => e.id)"
        )
        assert cut == [], (width, scheme)
