"""The random interleavings that no pattern minds find how each pitfall serves what was written over or deleted."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.patterns import test_interleavings
from tests.patterns.test_interleavings import NONE, SET, Interleavings
from tests.pitfalls.kit import PitfallWorld


class OfPitfalls(Interleavings):
    """The same, of pitfalls, which count no loads and tell nobody of failures in the background."""

    def teardown(self) -> None:
        for cache in self.caches:
            self.world.loop.run_until_complete(cache.aclose())
        self.world.loop.run_until_complete(asyncio.sleep(100))
        self.world.loop.close()


SOUGHT: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("in-process", NONE, {}),
    ("cache-aside", NONE, {}),
    ("write-through", NONE, {"nodes": 2} | SET),
    ("early-recompute", NONE | {"beta": 1.0}, {}),
    ("stale-while-revalidate", NONE | {"stale_for": 5.0}, {}),
    ("batch of one", NONE, {}),
    ("layered", NONE, {}),
]


@pytest.mark.parametrize(("kind", "options", "world"), SOUGHT, ids=str)
def test_an_interleaving_that_serves_an_old_version_is_found(monkeypatch, kind, options, world):
    monkeypatch.setattr(test_interleavings, "World", PitfallWorld)
    machine = type("Machine", (OfPitfalls,), {"kind": kind, "options": options} | world)
    with pytest.raises(AssertionError, match=r"version \d+ below the floor of \d+"):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=500,
                stateful_step_count=40,
                phases=[Phase.generate],  # to find one is enough; it need not be the shortest
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
