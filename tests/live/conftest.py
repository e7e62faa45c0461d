"""A real server for the tests that ask for one: skipped without, or failed where CACHESIM_REQUIRE_REDIS is set."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.live.server import MISSING, Server, executable, running


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """The server of this session, shared by all tests."""
    path = executable()
    if path is None:
        if os.environ.get("CACHESIM_REQUIRE_REDIS"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with running(path) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Server) -> str:
    """Its URL; the server is empty."""
    redis_server.flush()
    return redis_server.url
