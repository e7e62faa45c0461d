"""What holds for every compiled function: its machine code, kept on disk, is in no later release's way."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import numpy as np
import pytest
from numba import types
from numba.core.dispatcher import Dispatcher

import cachesim.advice
import cachesim.curves
from cachesim.advice.slots import Slots
from cachesim.advice.unbounded import Unbounded
from cachesim.curves.chunks import Chunk
from cachesim.curves.kernels import kernel_class
from cachesim.curves.numbering import Numbering
from cachesim.curves.stack_distances import StackDistances
from cachesim.policies import POLICIES

IDS = np.array([0, 1, 0, 2], np.int32)
TIMES, WEIGHTS = np.arange(4.0), np.ones(4, np.int64)


def chunk(times: Any = None, weights: Any = None) -> Chunk:
    return Chunk(IDS, 3, lambda: np.arange(3, dtype=np.uint64), times, weights)


@pytest.fixture(scope="module")
def compiled() -> dict[str, Dispatcher]:
    """Every compiled function of the package by its full name, after all that calls them has run once."""
    for policy in (*POLICIES, "opt"):
        kernel_class(policy)(2).run(chunk())
    for policy in ("fifo", "lru", "clock", "sieve"):
        for ttl, weights in ((None, WEIGHTS), (2.0, None), (2.0, WEIGHTS)):
            kernel_class(policy)(2, ttl=ttl).run(chunk(None if ttl is None else TIMES, weights))
    StackDistances().run(chunk())
    Slots(2, ttl=2.0).run(chunk(TIMES))
    Unbounded([2.0]).run(chunk(TIMES))
    Numbering().number(np.arange(3))  # in a table
    Numbering().number(np.array([0, 1 << 60]))  # hashed
    found = {}
    for package in (cachesim.advice, cachesim.curves):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            for name, function in vars(import_module(module.name)).items():
                if isinstance(function, Dispatcher):
                    found[f"{module.name}.{name}"] = function
    return found


def parts(kind: types.Type) -> Iterator[types.Type]:
    """A type, and those of which it is made."""
    yield kind
    for part in getattr(kind, "types", ()):
        yield from parts(part)


def test_everything_that_is_called_from_outside_has_run(compiled):
    assert [name for name, function in compiled.items() if "._run" in name and not function.signatures] == []


def test_nothing_is_compiled_for_a_class_of_ours(compiled):
    """The index of the code on disk holds the classes of named tuples, and is read before it is known to be stale.

    Once such a class has another name or place, every later run would fail as it is read.
    """
    of_ours = {
        name
        for name, function in compiled.items()
        for signature in function.signatures
        for argument in signature
        for part in parts(argument)
        if isinstance(part, types.BaseNamedTuple)
    }
    assert of_ours == set()
