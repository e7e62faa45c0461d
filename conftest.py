"""What all tests share: garbage collection leaves alone what collecting the tests has made, some 700,000 objects."""

import gc

import pytest


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
