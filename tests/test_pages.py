"""What the tutorial and the how-to pages print is what their commands and code do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.pages import DOCS, run

SLOW = {"sweeps"}  # starts processes, and a cluster
PAGES = [
    pytest.param(page, marks=[pytest.mark.slow] if page.stem in SLOW else [], id=page.stem)
    for page in (DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("[!i]*.md")))
]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def heard() -> str:
        return "".join(capsys.readouterr())

    run(page, heard)
