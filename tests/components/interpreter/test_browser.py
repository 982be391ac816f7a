import shutil
from pathlib import Path

import numpy as np
import pytest

from components.tasks import SHIPPED

PHONE = {"width": 360, "height": 800}


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on the PATH; install it to test the page in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(browser, address, content=None, **options):
    page = browser.new_context(viewport=PHONE, **options).new_page()
    if content:
        page.route(address, lambda route: route.fulfill(content_type="text/html", body=content))
    page.complaints, page.requests = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(address)
    return page


def widest_overflow(page):
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


def unloaded_images(page):
    return page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.alt)")


@pytest.mark.parametrize("task", SHIPPED)
def test_page_on_a_phone(kit, browser, task):
    case = kit.Case(task)
    names = [f"a class with a long name {number}" for number in range(40)]
    case.ingest["classes"] = names
    case.figures["confusion"] = {"classes": names, "rows": [[1234] * 40] * 40}
    case.refused[0]["path"] = "a_very_long_folder_name" * 20 + "/1.jpg"
    case.figures["baseline"] = {"version": "17", "warning": "w" * 300}
    case.figures["figures"] += [
        kit.figure(
            f"a_metric_with_a_long_name_{n}",
            0.5,
            slice=f"image/orientation={s}",
            lower=0.1,
            upper=0.9,
            baseline=0.4,
        )
        for n in range(6)
        for s in ("portrait", "landscape")
    ]
    case.figures["checks"].append(kit.check("m" * 80, 0.5, 0.1, False, "reason" * 60))
    page = open_page(browser, kit.page(case).as_uri())
    assert page.complaints == []
    assert widest_overflow(page) <= 0
    least = 3 if task == "points" else 9  # curves and two plots
    assert page.evaluate("document.images.length") >= least
    assert unloaded_images(page) == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []


def test_sections_and_charts_of_many_classes(kit, browser):
    """Every section is reached by its link, and a chart tells who hears it what it shows."""
    path = kit.page(kit.of_many(200), images=12)
    assert path.stat().st_size < 3_000_000
    page = open_page(browser, path.as_uri())
    targets = page.locator("nav a").evaluate_all("links => links.map(a => a.hash)")
    sections = page.locator("main > section").evaluate_all("all => all.map(s => '#' + s.id)")
    assert targets == sections
    assert {"#probabilities", "#labels", "#inside"} <= set(targets)
    charts = page.locator("svg[role=img]")
    assert charts.count() == 3
    for number, chart in enumerate(charts.all()):
        title, told = (chart.locator(tag).text_content() for tag in ("title", "desc"))
        assert title in page.locator("#probabilities h3").all_inner_texts()
        assert "0." in told
        assert chart.bounding_box()["width"] > 250
        assert chart.locator(".line").count() == (0 if number == 0 else 8)
    # Told apart without color: no two lines of a chart have the same dashes.
    lines = page.locator("svg[role=img]:has(#roc-title) .line")
    dashes = lines.evaluate_all("lines => lines.map(a => getComputedStyle(a).strokeDasharray)")
    assert len(set(dashes)) == 8
    assert "and 90 more" in page.locator("#probabilities").inner_text()
    assert (widest_overflow(page), page.complaints) == (0, [])
    # Paper is white, however dark the screen is.
    page.emulate_media(media="print", color_scheme="dark")
    ink = charts.nth(1).locator("text").first.evaluate("text => getComputedStyle(text).fill")
    assert max(int(part) for part in ink[4:-1].split(",")) < 128


# With a frame as KFP's UI has it: scripts allowed, of no origin, filled afterwards.
UI = (
    "<!doctype html><title>UI</title><body style='margin:0'>"
    "<iframe sandbox='allow-scripts' style='width:100%;min-height:600px'></iframe>"
)


def test_page_in_the_frame_of_the_ui_in_the_dark(kit, browser):
    made = kit.outputs(kit.Case())
    (page_file,) = Path(made["page"].uri).iterdir()
    ui = "http://ui.example/runs/details/1"
    page = open_page(browser, ui, UI, color_scheme="dark")
    page.evaluate(
        "source => { document.querySelector('iframe').srcdoc = source }",
        page_file.read_text(encoding="utf-8"),
    )
    frame = page.frames[1]
    frame.wait_for_selector("footer")
    assert frame.locator("h1").inner_text() == "cats_vs_dogs"
    images = frame.locator("img")
    assert images.count() > 8
    assert unloaded_images(frame) == []
    # A link to a section would load the UI into its own frame.
    assert frame.locator("a").count() == 0
    assert widest_overflow(frame) <= 0
    frame.locator("summary").first.click()
    assert frame.locator("h1").count() == 1
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("data:", "about:", ui))] == []
    background = frame.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert np.mean([int(part) for part in background[4:-1].split(",")]) < 60
