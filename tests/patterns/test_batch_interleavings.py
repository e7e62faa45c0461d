"""Random interleavings of batches that overlap, held against the same model as those of single keys.

Besides what holds there: each value stands where its key stands, and no query asks for a key twice.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.patterns.kit import OriginError
from tests.patterns.test_interleavings import (
    DELETE,
    LONGEST_LOAD,
    LONGEST_TRIP,
    NONE,
    PROCESS,
    STALE,
    TTL,
    Interleavings,
    Row,
    any_node,
    pauses,
    seldom,
)


class Batches(Interleavings):
    """Callers who ask for several keys at once, beside those who ask for one."""

    kind = "batch"
    names = ("a", "b", "c")

    @rule(
        node=any_node,
        asked=st.lists(st.sampled_from(names), max_size=5),
        seconds=st.sampled_from([0.0, 1.0, LONGEST_LOAD]),
        fails=seldom,
        then=pauses,
    )
    def read_many(self, node: int, asked: list[str], seconds: float, fails: bool, then: float | None) -> None:
        self._begin(self._read_many(node, asked, seconds, fails), then)

    async def _read_many(self, node: int, asked: list[str], seconds: float, fails: bool) -> None:
        arrival, floors = self.now(), {key: self.rows[key].floor for key in asked}
        me = asyncio.current_task()
        assert me is not None

        async def load(keys: list[str]) -> dict[str, Any]:
            assert len(set(keys)) == len(keys) > 0
            loads = (self._load(self.rows[key], arrival, seconds, fails) for key in keys)
            rows = await asyncio.gather(*loads, return_exceptions=True)
            for row in rows:
                if isinstance(row, BaseException):
                    raise row
            return dict(zip(keys, rows, strict=True))

        try:
            values = await self.caches[node].get_or_set_many(asked, load)
        except OriginError as error:
            if self.failures[error.args[0]] < arrival:
                raise AssertionError("a failure from before this read") from error
        except asyncio.CancelledError:
            assert me.cancelling(), "cancelled, though nobody cancelled this caller"
            raise
        else:
            oldest = arrival - TTL - LONGEST_LOAD - 2 * LONGEST_TRIP - (self.options.get("stale_if_error") or 0.0)
            for key, value in zip(asked, values, strict=True):
                assert value["key"] == key, "another key's value"
                assert floors[key] <= value["version"] <= self.rows[key].version, f"below the floor of {floors[key]}"
                assert value["at"] >= oldest, "a value past its lifetime"

    async def _load(self, row: Row, arrival: float, seconds: float, fails: bool) -> dict[str, Any]:
        (key,) = (key for key, each in self.rows.items() if each is row)
        return {"key": key, **await super()._load(row, arrival, seconds, fails)}

    @staticmethod
    async def _written(cache: Any, key: str, how: str, value: dict[str, Any]) -> None:
        await Interleavings._written(cache, key, how, {"key": key, **value})


@pytest.mark.parametrize(
    ("options", "world"),
    [
        (PROCESS, {}),
        (PROCESS | STALE, {}),
        (NONE, {}),
        (PROCESS, {"nodes": 2} | DELETE),
        (NONE | STALE, {"nodes": 2} | DELETE),
    ],
    ids=str,
)
def test_no_interleaving_of_batches_breaks_a_promise(options, world):
    machine = type("Machine", (Batches,), {"options": options} | world)
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=40, stateful_step_count=40, suppress_health_check=list(HealthCheck)),
    )
