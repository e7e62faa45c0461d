"""Each pitfall fails the tests of the patterns that are about its bugs, and its pattern passes those very tests.

A test that passes on its pitfall would be no test. Promise 10 has no tutorial that breaks it: they have no time-outs.
"""

import logging

import pytest

from cachesim.pitfalls import PITFALLS
from tests.patterns.kit import World
from tests.pitfalls.kit import PitfallWorld, function_of, run
from tests.pitfalls.tables import FAILED, PASSED

ROWS = [(name, row) for name, rows in FAILED.items() for row in rows]
KEPT = [(name, row) for name, rows in PASSED.items() for row in rows]


def label(value):
    return value if isinstance(value, str) else f"{value.test}-{', '.join(map(str, value.arguments.values()))}"


@pytest.fixture
def warnings(caplog):
    """What the tests of promise 11 count."""
    caplog.set_level(logging.WARNING, logger="cachesim")
    return {"warnings": lambda: [record.getMessage() for record in caplog.records if record.name == "cachesim"]}


def kind_of(name, test):
    """One value at a time, unless the test is about batches."""
    return "batch of one" if name == "batch" and not test.startswith("batch.") else name


@pytest.mark.parametrize(("name", "row"), ROWS, ids=label)
def test_the_pitfall_fails(name, row, warnings):
    test = function_of(row.test)
    with pytest.raises(row.error) as failure:
        run(test, kind_of(name, row.test), PitfallWorld(row.sets, **row.options), warnings | row.arguments)
    assert test.__name__ in [entry.name for entry in failure.traceback]  # and not only at the end, when all should rest


@pytest.mark.parametrize(("name", "row"), ROWS, ids=label)
def test_the_pattern_passes(name, row, warnings):
    run(function_of(row.test), kind_of(name, row.test), World(), warnings | row.arguments)


@pytest.mark.parametrize(("name", "row"), KEPT, ids=label)
def test_the_pitfall_is_a_cache_and_passes(name, row, warnings):
    run(function_of(row.test), kind_of(name, row.test), PitfallWorld(), warnings | row.arguments)


def test_each_pitfall_is_there():
    assert FAILED.keys() == PASSED.keys() == PITFALLS.keys()
    assert all(len(FAILED[name]) >= 3 and len(PASSED[name]) >= 3 for name in PITFALLS)


def test_each_promise_that_tutorials_break_is_there():
    promises = {row.test[:2] for _, row in ROWS if row.test[:2].isdigit()}
    assert promises == {"01", "02", "03", "04", "05", "06", "07", "09", "11", "12"}
