"""A real browser: Debian's chromium, driven by Playwright's package, which brings none of its own."""

import shutil
from importlib.util import find_spec

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATH = next(filter(None, map(shutil.which, NAMES)), None)
MISSING = [] if find_spec("playwright") else ["playwright (pip install -r requirements-dev.txt)"]
MISSING += [] if PATH else ["chromium (apt-get install chromium)"]
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def launch(playwright):
    """The browser, headless; it asks no server for anything of its own."""
    return playwright.chromium.launch(executable_path=PATH, args=list(ARGUMENTS))
