"""The report's page in a real Chromium: tables sort by a click, nothing is asked of anyone."""

import pytest

from lag.evaluation.page import as_html
from tests.lag.evaluation.test_page import PNG, found  # noqa: F401 (a fixture)
from tests.support import browser

if browser.MISSING:
    pytest.skip(f"NO BROWSER TESTS: without {' and '.join(browser.MISSING)}", allow_module_level=True)


def test_a_click_on_a_head_sorts_by_value_and_leaves_what_is_missing_last(chromium, found, tmp_path):  # noqa: F811
    rows = [found.rows[i]._replace(label=f"method {i}") for i in range(3)]
    values = ({"psnr": 9.5, "rmse": 1, "swd": 1}, {"rmse": 1, "swd": 1}, {"psnr": 21.0, "rmse": 1, "swd": 1})
    rows = [row._replace(values=v) for row, v in zip(rows, values, strict=True)]
    path = tmp_path / "report.html"
    path.write_text(as_html(found._replace(rows=rows), PNG))
    page = chromium.new_page()
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    table = page.locator("table").first
    orders = []
    for _ in range(2):
        table.locator("th", has_text="PSNR ↑").first.click()
        orders.append(table.locator("tbody tr td:first-child").all_inner_texts())
    assert page.locator("svg").count() >= 1 and page.locator("img").evaluate("x => x.naturalWidth") == 5
    assert orders == [["method 0", "method 2", "method 1"], ["method 2", "method 0", "method 1"]]
    assert wrong == [] and [url for url in asked if not url.startswith(("file:", "data:"))] == []
