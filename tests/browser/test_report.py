"""The page that `--report` writes, in a browser: wide and narrow, light, dark and on paper, without any script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import cachesim as cs
from cachesim.experiments import seeds_of
from cachesim.report import page
from cachesim.summary import Run, Summary

STORM = cs.Scenario(
    title="A-title-of-a-single-word-that-is-longer-than-a-narrow-page-is-wide",
    arrivals=cs.arrivals.Poisson(rate=50),
    keys=cs.keys.OneKey(),
    cache=cs.Pattern("cache-aside", ttl=2, single_flight="none"),
    database=cs.Database(latency=cs.latency.Constant(0.2)),
    duration=10,
    expect={"largest_stampede": "<= 1"},
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = [(seed, cs.simulate(STORM.replace(seed=seed))) for seed in seeds_of(1, 3)]
    summary = Summary(STORM, [Run.of(seed, result) for seed, result in results])
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(summary, results[0][1]), encoding="utf-8")
    return path


@pytest.fixture(params=[("light", 1200), ("dark", 1200), ("light", 400), ("dark", 400)], ids=str)
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page; whatever it asks for, or complains about, fails the test."""
    scheme, width = request.param
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, java_script_enabled=False
    )
    opened, seen = context.new_page(), list[str]()
    opened.on("console", lambda message: seen.append(message.text))
    opened.on("request", lambda request: seen.append(request.url))
    opened.goto(report.as_uri())
    yield opened
    context.close()
    assert [address for address in seen if not address.startswith("data:")] == [report.as_uri()]


def test_it_fits_and_its_pictures_are_seen(opened):
    width = opened.viewport_size["width"]
    places = opened.locator("h1, h2, p, ul, pre, figure, .wide").all()
    assert len(places) > 15
    for place in places:
        box = place.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    pictures = [picture.bounding_box() for picture in opened.get_by_role("img").all()]
    assert [round(box["width"] / box["height"], 1) for box in pictures] == [2.2, 1.7]
    assert min(box["width"] for box in pictures) > 500
