"""A real browser and a JupyterLab for it, started once for the tests in this folder.

No longer: while Playwright is at work, an event loop runs in this thread, which other tests would notice.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.jupyter import CHROMIUM_ARGUMENTS, Lab, chromium, jupyterlab

HERE = Path(__file__).parent


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
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab, which has copies: it writes checkpoints beside its notebooks."""
    notebooks = Path(shutil.copytree(HERE.parents[1] / "notebooks", tmp_path_factory.mktemp("root") / "notebooks"))
    with jupyterlab(notebooks, tmp_path_factory.mktemp("jupyter")) as server:
        lab = Lab(browser, server)
        assert lab.complaints == []
        yield lab
