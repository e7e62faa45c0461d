"""What all tests share: garbage collection leaves alone what collecting the tests has made, some 700,000 objects."""

import gc
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

OWN_MODULES = (f"my_cache_{number}" for number in itertools.count())


@pytest.fixture
def module(tmp_path: Path) -> Callable[[str], str]:
    """Write a module of somebody's own code into the working folder and return its name, used once."""

    def write(text: str) -> str:
        name = next(OWN_MODULES)
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def pytest_configure() -> None:
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Hypothesis's statistics quote what was drawn, halves of characters too, which its report cannot encode."""
    told = getattr(item, "hypothesis_statistics", "")
    if told:
        item.hypothesis_statistics = told.encode(errors="backslashreplace").decode()  # type: ignore[attr-defined]
