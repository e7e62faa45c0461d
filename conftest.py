"""What all tests share: garbage collection leaves alone what collecting the tests has made, some 700,000 objects."""

import gc

import pytest


def pytest_configure() -> None:
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
