"""Each pitfall fails the tests of the patterns that are about its bugs, and its pattern passes those very tests.

A test that passes on its pitfall would be no test. Promise 10 has no tutorial that breaks it: they have no time-outs.
"""

import logging

import pytest

from cachesim.pitfalls import PITFALLS
from tests.patterns.kit import World
from tests.pitfalls.kit import Case, PitfallWorld, run
from tests.pitfalls.tables import FAILED, PASSED

ROWS = [(name, row.case, row.error) for name, rows in FAILED.items() for row in rows]
KEPT = [(name, case) for name, cases in PASSED.items() for case in cases]


def label(value):
    if isinstance(value, Case):
        arguments = (getattr(argument, "__name__", str(argument)) for argument in value.arguments.values())
        return f"{value.test.__name__}-{', '.join(arguments)}"
    return value if isinstance(value, str) else ""


@pytest.fixture
def warnings(caplog):
    """What the tests of promise 11 count."""
    caplog.set_level(logging.WARNING, logger="cachesim")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "cachesim"]


def kind_of(name, case):
    """Batches go the road of many keys with one key too."""
    return "batch of one" if name == "batch" and case.module != "batch" else name


@pytest.mark.parametrize(("name", "case", "error"), ROWS, ids=label)
def test_the_pitfall_fails(name, case, error, warnings):
    with pytest.raises(error) as failure:
        run(case, kind_of(name, case), PitfallWorld(case.sets, case.options), warnings=warnings)
    assert case.test.__name__ in [entry.name for entry in failure.traceback]  # not only when all should be at rest


@pytest.mark.parametrize(("name", "case", "error"), ROWS, ids=label)
def test_the_pattern_passes(name, case, error, warnings):
    run(case, kind_of(name, case), World(), warnings=warnings)


@pytest.mark.parametrize(("name", "case"), KEPT, ids=label)
def test_the_pitfall_is_a_cache_and_passes(name, case, warnings):
    run(case, kind_of(name, case), PitfallWorld(case.sets, case.options), warnings=warnings)


def test_each_pitfall_is_there():
    assert FAILED.keys() == PASSED.keys() == PITFALLS.keys()
    assert all(len(FAILED[name]) >= 3 and len(PASSED[name]) >= 3 for name in PITFALLS)


def test_each_promise_that_tutorials_break_is_there():
    promises = {case.module[:2] for _, case, _ in ROWS if case.module[:2].isdigit()}
    assert promises == {"01", "02", "03", "04", "05", "06", "07", "08", "09", "11", "12"}
