"""The page's files: they fit each other, ask nothing of others, and their colours can be told apart."""

import posixpath
import re

import pytest

from lag.explorer.server import STATIC
from lag.explorer.static_page import ALONE, SERVER

FILES = {str(path.relative_to(STATIC)): path.read_text() for path in STATIC.rglob("*.*")}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}


def exported(name: str) -> set[str]:
    """What a module offers to others."""
    return set(re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", SCRIPTS[name], re.M))


def test_nothing_comes_from_outside():
    for name, text in FILES.items():
        addresses = set(re.findall(r"(?:https?:)?//[\w.]+\.\w+[^\s\"']*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name
        assert "@import" not in text and "eval(" not in text, name
    assert not re.search(r"\sstyle=|\son\w+=|<script>|<style", FILES["index.html"])  # which the policy refuses


def test_what_the_scripts_name_is_there():
    ids = re.findall(r'\bid="([\w-]+)"', FILES["index.html"])
    assert len(ids) == len(set(ids))
    for name, text in SCRIPTS.items():
        named = set(re.findall(r'\b(?:byId|slider|number|on)\("([\w-]+)"', text))
        assert named <= set(ids), name
        for imported, file in re.findall(r'^import (?:\{([^}]*)\}|\* as \w+) from "([./\w]+\.js)"', text, re.M):
            words = {word.partition(" as ")[0].strip() for word in imported.split(",")} - {""}
            assert words <= exported(posixpath.normpath(f"{posixpath.dirname(name)}/{file}".lstrip("/"))), (name, file)
        assert set(re.findall(r"\bbackend\.(\w+)\(", text)) <= exported("backend.js"), name
    for file in re.findall(r'static/([\w.]+)"', FILES["index.html"]):
        assert file in FILES


@pytest.mark.parametrize("name", [SERVER, ALONE])
def test_a_backend_can_do_all_that_the_page_asks_of_one(name):
    wanted = set(re.findall(r"\bother\.(\w+)\(", SCRIPTS["backend.js"]))
    assert len(wanted) > 9 and exported(name.removeprefix("./")) == wanted


def test_every_control_has_a_name():
    html = re.sub(r"\s+", " ", FILES["index.html"])
    labelled = " ".join(re.findall(r"<label.*?</label>", html))
    for tag in re.findall(r"<(?:input|select)[^>]*>", html):
        assert "aria-label=" in tag or tag in labelled, tag
    for content in re.findall(r"<button[^>]*>(.*?)</button>", html):
        assert content.strip()


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_wcag_aa_asks_for(scheme):
    block = re.findall(r":root \{(.*?)\}", FILES["style.css"], re.S)[scheme]
    colors = dict(re.findall(r"--([\w-]+): (#\w{6});", block))

    def contrast(a, b):
        high, low = sorted((luminance(colors[a]), luminance(colors[b])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for text, ground in [("ink", "page"), ("ink", "card"), ("ink", "warm"), ("soft", "page"), ("soft", "card")]:
        assert contrast(text, ground) >= 4.5, (text, ground)
    assert contrast("on-main", "main") >= 4.5 and contrast("wrong", "page") >= 4.5
    assert contrast("line", "card") >= 3 and contrast("main", "card") >= 3 and contrast("main", "page") >= 3
