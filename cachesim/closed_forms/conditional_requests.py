"""Clients that keep a page and its tag: how many of their requests are answered 304."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

from cachesim import theory
from cachesim.closed_forms.conditions import Group, demand, is_plain, option, window, writes_of
from cachesim.closed_forms.form import ClosedForm
from cachesim.closed_forms.windows import Window
from cachesim.scenario import Scenario

__all__ = ["conditional_requests"]

_SOON = 0.005
"""Visits of a client, and changes, in the time of a query, at most: else the next visit comes before the answer."""
_FEWEST = 10
_LARGEST = 2**20


def conditional_requests(scenario: Scenario) -> Iterator[ClosedForm]:
    """Of the pattern `conditional`, with clients that keep validators."""
    groups, clients, cache = demand(scenario), scenario.clients, scenario.cache
    if groups is None or cache.pattern != "conditional" or not is_plain(scenario) or clients.n is None:
        return
    tagged = clients.validators and clients.body_bytes <= option(cache, "largest", _LARGEST)
    if not tagged or scenario.database.connections is not None:
        return
    quickest = max(group.reads / clients.n + group.writes + group.behind for group in groups)
    changes = writes_of(scenario).share or writes_of(scenario).behind
    if not changes or quickest * scenario.database.latency.mean > _SOON:
        return
    measured = window(scenario)
    unchanged = sum(group.keys * _unchanged(group, clients.n, measured) for group in groups)
    if unchanged < _FEWEST:
        return
    source = "competing exponential times; RFC 9110"
    where = "Poisson visits of each client and Poisson changes of each page; nobody has kept anything at the start."
    yield ClosedForm("not_modified", unchanged, "answers 304, a / (a + μ) of the visits", source, where)
    saved = clients.body_bytes * unchanged
    yield ClosedForm("bytes_saved", saved, "bodies not sent, a / (a + μ) of the visits", source, where)


def _unchanged(group: Group, clients: int, measured: Window) -> float:
    """The mean number of 304 for one key: the last event of client and page, if there was one, was a visit."""
    visits, changes = group.reads / clients, group.writes + group.behind
    events = visits + changes
    none_yet = (exp(-events * measured.start) - exp(-events * measured.end)) / events
    return group.reads * theory.not_modified_ratio(visits, changes) * (measured.length - none_yet)
