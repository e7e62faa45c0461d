"""A real browser and a JupyterLab for it, started once for the tests in this folder.

No longer: while Playwright is at work, an event loop runs in this thread, which other tests would notice.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.jupyter import CHROMIUM_ARGUMENTS, Notebook, Server, chromium, jupyterlab

HERE = Path(__file__).parent

BROKEN = """
from cachesim.lab.explorer import simulated
from cachesim.lab.explorers import hot_key

def broken(settings, requests, report):
    if settings.seed == 2:
        raise ZeroDivisionError("no luck with <this> seed")
    return simulated(settings, requests, report)

hot_key.explore(broken)
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        message = "no Chromium: install one, or name its path in the environment variable CHROMIUM"
        if os.environ.get("CACHESIM_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab, which serves copies: it writes checkpoints beside its notebooks."""
    import nbformat

    notebooks = Path(shutil.copytree(HERE.parents[1] / "notebooks", tmp_path_factory.mktemp("root") / "notebooks"))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}  # else JupyterLab asks for one
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(BROKEN)], metadata=kernel)
    nbformat.write(broken, notebooks / "broken.ipynb")
    with jupyterlab(notebooks, tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="module")
def open_notebook(browser: Browser, server: Server) -> Iterator[Callable[[str], Notebook]]:
    """Opens a notebook in a page of its own, for the tests of a module."""
    contexts = []

    def open(name: str) -> Notebook:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce"))
        contexts[-1].set_default_timeout(15_000)
        return Notebook(contexts[-1].new_page(), server, name)

    yield open
    for context in contexts:
        context.close()
