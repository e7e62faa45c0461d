"""The page "Libraries in the storm": it has every cache, and of ours what a run gives today.

What it says of libraries is of the versions that it names, and is not run here.
"""

from __future__ import annotations

import re

import pytest

import cachesim as cs
from cachesim import adapters
from cachesim.cli.caches import cache_named
from cachesim.conditions import CONDITIONS, under_conditions
from docs.libraries import OURS, PAGE, SCENARIO, as_code, row, versions

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = {
    name: TEXT.partition(f"\n## {name.replace('-', ' ').capitalize()}\n")[2].partition("\n## ")[0]
    for name in CONDITIONS
}


def rows(section: str) -> list[str]:
    return re.findall(r"^\| `.*$", section, re.MULTILINE)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_cache_is_in_the_table_of_each_condition(condition):
    assert CONDITIONS[condition].about in SECTIONS[condition]
    caches = [found.split(" | ")[0].removeprefix("| ") for found in rows(SECTIONS[condition])]
    assert caches == [as_code(name) for name in (*OURS, *adapters.names())]


def test_ours_do_today_what_the_page_says():
    scenario = cs.load(SCENARIO)
    caches = {name: cache_named(name, scenario.cache) for name in ("in-process", "cache-aside")}
    for cell in under_conditions(scenario, caches).cells:
        assert row(cell) in rows(SECTIONS[cell.condition])


def test_the_scenario_is_on_the_page_as_it_is():
    assert f"```toml\n{SCENARIO.read_text(encoding='utf-8')}```" in TEXT


def test_it_is_of_the_installed_versions():
    """A library released anew must break nothing here."""
    named = dict(found.split(" ") for found in TEXT.partition("Versions: ")[2].partition(".\n")[0].split(", "))
    assert list(named) == list(versions())
    if named != versions():
        pytest.skip(f"the page is of {named}, installed are {versions()}: python -m docs.libraries writes it anew")
