"""The explorer's page under a test's hand. Import it where there is a browser: playwright is needed."""

import contextlib
import io

import numpy as np
from PIL import Image
from playwright.sync_api import expect

expect.set_options(timeout=60_000)  # milliseconds: other tests may have the machine


@contextlib.contextmanager
def opened(chromium, address):
    """The page; at the end, nothing was asked of others and nothing complained, but what its `forgiven` names."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    made = context.new_page()
    asked, wrong = [], []
    made.on("request", lambda request: asked.append(request.url))
    made.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.goto(address)
    ready(made)
    yield made
    wrong = [text for text in wrong if not any(f in text for f in getattr(made, "forgiven", []))]
    assert wrong == [] and made.locator("#error").text_content() == ""
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
    context.close()


def ready(page):
    """Waits until what is asked for is shown."""
    expect(page.locator("#status")).to_contain_text("Ready")
    expect(page.locator("#grid .old")).to_have_count(0)


def click(page, name):
    page.locator(name).click()
    ready(page)


def samples(page) -> list[str]:
    """Of the grid: what its pictures are; their addresses are new ones after each loading of the page."""
    ready(page)
    return [tile.get_attribute("aria-label") for tile in page.locator("#grid button").all()]


def saved(page, name="#save") -> bytes:
    with page.expect_download() as download:
        page.locator(name).click()
    with open(download.value.path(), "rb") as file:
        return file.read()


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.array(image, int)


def png(height, width, seed=0) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, [height, width, 3], np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def drop(page, data: bytes):
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "face.png", { type: "image/png" }));
            return transfer;
        }""",
        list(data),
    )
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})


def paint(page, canvas, *cells, columns=8, rows=8):
    """A stroke from cell (row, column) to cell."""
    place = page.locator(canvas)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    for i, (row, column) in enumerate(cells):
        x, y = box["x"] + box["width"] * (column + 0.5) / columns, box["y"] + box["height"] * (row + 0.5) / rows
        page.mouse.move(x, y, steps=4)
        if not i:
            page.mouse.down()
    page.mouse.up()
    ready(page)
