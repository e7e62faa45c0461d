"""The bundled scenarios: each shows what it says, and would not without it."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

import pytest

import cachesim as cs
from cachesim.scenario import bundled
from cachesim.world.arrivals import Arrivals
from cachesim.world.faults import Fault

NAMES = list(bundled())
PITFALL = {"pattern": "pitfall:cache-aside", "ttl": 5.0}

WITHOUT: dict[str, dict[str, Any]] = {
    "cache-flush": {"faults": []},
    "cache-flush-single-flight": {"cache.single_flight": "none"},
    "database-errors": {"faults": []},
    "deployment-flush": {"faults": []},
    "deployment-rolling": {"faults.0.every": 0.0},
    "documentation": {"cache": {"pattern": "none"}},
    "early-recompute": {"cache.beta": 0.0},
    "flash-crowd": {"arrivals.peak": 50},
    "hot-key": {"cache.single_flight": "process"},
    "hot-key-single-flight": {"cache.single_flight": "none"},
    "invalidation-loss": {"faults": []},
    "invalidation-stream": {"cache.invalidation": "pubsub"},
    "node-pause": {"faults": []},
    "redis-outage-hanging": {"redis.timeout": 1000.0},
    "redis-outage-refusing": {"faults": []},
    "retry-storm": {"faults": []},
    "retry-storm-heals": {"arrivals.rate": 280},
    "slow-database": {"faults": []},
    "slow-database-users": {"faults": []},
    "slow-redis": {"faults": []},
    "stale-set": {"cache": {"pattern": "cache-aside", "ttl": 60.0}},
    "stale-set-leases": {"cache": {"pattern": "pitfall:cache-aside", "ttl": 60.0}},
    "stale-while-revalidate": {"cache.stale_for": 0.0},
    "synchronized-expiry": {"cache.ttl": 30.0, "cache.jitter": 20.0},
    "synchronized-expiry-jitter": {"cache.jitter": 0.0},
    "two-layers": {"cache.l1_ttl": 0.01},
    "write-race": {"cache": PITFALL | {"pattern": "cache-aside"}},
    "write-race-leases": {"cache": PITFALL},
}
"""What takes the trouble away from a scenario that shows trouble, and the remedy from one that shows a remedy."""

PAIRS = {
    "cache-flush": "cache-flush-single-flight",
    "deployment-flush": "deployment-rolling",
    "hot-key": "hot-key-single-flight",
    "invalidation-loss": "invalidation-stream",
    "retry-storm": "retry-storm-heals",
    "stale-set": "stale-set-leases",
    "synchronized-expiry": "synchronized-expiry-jitter",
    "write-race": "write-race-leases",
}
"""Each trouble with its remedy, which differs from it in no more than the remedy and in what is measured when."""

UNUSED = {"Diurnal", "Recorded"}
"""A day is longer than anybody waits for an example, and a recorded stream needs a file."""


def text(name: str) -> list[str]:
    """The lines of the comment that a file begins with."""
    lines = bundled()[name].read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    assert all(line.startswith("#") for line in lines)
    return [line.lstrip("# ") for line in lines]


@cache
def metrics(name: str, seed: int) -> dict[str, float]:
    return cs.simulate(cs.load(bundled()[name]).replace(seed=seed), record="summary").metrics


def missed(scenario: cs.Scenario, metrics: dict[str, float]) -> list[str]:
    return [
        f"{bound}: {metrics[bound.metric]:g}" for bound in scenario.expectations if not bound.met(metrics[bound.metric])
    ]


def toml(value: str) -> str:
    """A value of `--set` as TOML: text needs no quotes there."""
    return f'"{value}"' if value[0].isalpha() and value not in ("true", "false") else value


def leaves(family: type) -> set[str]:
    """The names of the classes of a family that are no bases themselves."""
    children: list[type] = family.__subclasses__()
    return {leaf for child in children for leaf in leaves(child) or {child.__name__}}


# What they show


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 21))])
@pytest.mark.parametrize("name", NAMES)
def test_it_meets_its_expectations_whatever_the_seed(name: str, seed: int) -> None:
    assert not missed(cs.load(bundled()[name]), metrics(name, seed))


@pytest.mark.parametrize("name", NAMES)
def test_an_expectation_fails_without_what_it_is_about(name: str) -> None:
    scenario = cs.load(bundled()[name])
    without = scenario.replace(**WITHOUT[name])
    assert without != scenario
    assert missed(scenario, cs.simulate(without, record="summary").metrics)


# What they say


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_in_a_sentence_and_what_to_see_in_a_paragraph(name: str) -> None:
    scenario = cs.load(bundled()[name])
    sentence, empty, *paragraph = text(name)
    assert scenario.title
    assert sentence.endswith(".")
    assert not empty
    assert len(re.findall(r"[.:?](?: |$)", " ".join(paragraph))) > 2
    if name != "documentation":
        assert any(f"`{bound.metric}`" in " ".join(paragraph) for bound in scenario.expectations)


@pytest.mark.parametrize("name", NAMES)
def test_what_it_tells_to_run_and_to_try_can_be_run(name: str) -> None:
    said = " ".join(text(name))
    assert set(re.findall(r"run `([^`]*)`", said)) <= set(NAMES)
    for options in re.findall(r"`(--set [^`]*)`", said):
        changes = (change.split("=", 1) for change in options.removeprefix("--set ").split(" --set "))
        scenario = cs.load(bundled()[name])
        assert (
            scenario.replace(**{place: tomllib.loads(f"x = {toml(value)}")["x"] for place, value in changes})
            != scenario
        )


@pytest.mark.parametrize(("trouble", "remedy"), PAIRS.items())
def test_a_trouble_and_its_remedy_name_each_other_and_are_asked_the_same(trouble: str, remedy: str) -> None:
    assert f"`{remedy}`" in " ".join(text(trouble))
    assert f"`{trouble}`" in " ".join(text(remedy))
    first, second = (cs.load(bundled()[name]) for name in (trouble, remedy))
    for part in ("keys", "database", "redis", "writes", "nodes", "clients"):
        assert getattr(first, part) == getattr(second, part)
    assert type(first.arrivals) is type(second.arrivals)


def test_every_fault_and_arrival_process_is_in_one_of_them() -> None:
    scenarios = [cs.load(path) for path in bundled().values()]
    used = {type(part).__name__ for scenario in scenarios for part in (scenario.arrivals, *scenario.faults)}
    assert leaves(Fault) | leaves(Arrivals) == used | UNUSED
