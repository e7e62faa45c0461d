"""Compiled loops: numba, loaded late, and a note while it compiles.

Machine code is kept on disk (beside the source, or in the user's cache folder), so each kernel is compiled once on a
machine, when it is first needed. Only modules that hold kernels import this one.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

__all__ = ["kernel"]

F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def _long_lived() -> Iterator[None]:
    """What is loaded here stays: without the collector going through it, numba is there a fifth sooner."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:  # all objects become old, unlooked at
            gc.freeze()
            gc.unfreeze()
        if enabled:
            gc.enable()


with _long_lived():
    try:
        import numba
        from numba.core import event
    except ImportError as error:
        raise ImportError("hit-rate curves need numba: pip install 'cachesim[curves]'") from error

    def kernel(function: F) -> F:
        """A function over numpy arrays as machine code, which runs in several threads at once."""
        try:
            return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
        except RuntimeError:  # no folder to keep it in can be written: compiled anew in each process
            return cast(F, numba.njit(nogil=True, error_model="numpy")(function))

    @kernel
    def _first() -> int:
        return 0

    _first()  # numba's own tables are read at the first call


class _Note(event.Listener):
    """Says what is being compiled: a wait without a reason looks like a fault."""

    def __init__(self) -> None:
        self._depth = 0

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if self._depth == 0 and function.__module__.startswith("cachesim."):
            name = function.__module__.removeprefix("cachesim.")
            logging.getLogger("cachesim").warning("compiling %s, once on this machine: a few seconds", name)
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1


event.register("numba:compile", _Note())
