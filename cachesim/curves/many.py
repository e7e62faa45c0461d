"""`hit_rate_curves`: the curves of many streams, each a piece of work of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from cachesim.curves.curve import HitRateCurve
from cachesim.curves.measuring import asked, measure, stream_of
from cachesim.curves.parts import compile_for
from cachesim.curves.streams import is_whole
from cachesim.executors import Lost, outcomes
from cachesim.traces.trace import Trace

__all__ = ["MissingCurvesError", "hit_rate_curves", "measured"]


class MissingCurvesError(ValueError):
    """Some streams have no curve: `reasons` says why, by name; `curves` holds those of the others."""

    def __init__(self, curves: dict[str, HitRateCurve], reasons: dict[str, str]) -> None:
        told = "; ".join(f"{name!r}: {reason}" for name, reason in reasons.items())
        super().__init__(f"{len(reasons)} of {len(curves) + len(reasons)} streams have no curve: {told}")
        self.curves, self.reasons = curves, reasons


def hit_rate_curves(
    streams: Mapping[str, Any],
    policy: str = "lru",
    sizes: ArrayLike | None = None,
    *,
    ttl: float | ArrayLike | None = None,
    weights: bool = False,
    sample_rate: float = 1.0,
    seed: int = 0,
    executor: Any = None,
    workers: int | None = None,
) -> dict[str, HitRateCurve]:
    """The curve of each stream: a `Trace`, or keys in an array or a list.

    They are read and counted on processes of this machine (`workers`, by default one a processor), or wherever
    `executor` is, a `concurrent.futures.Executor` or a `dask.distributed.Client`. `weights`: whether sizes are bytes,
    which a `Trace` tells, as it tells the times that a `ttl` needs. All else is as `hit_rate_curve` has it. Raises
    `MissingCurvesError` when all others are there, if some could not be read or counted.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(1) as pool:
    ...     curves = hit_rate_curves({"a": [1, 2, 1], "b": [1, 1, 1, 1]}, executor=pool)
    >>> {name: curve.at(2) for name, curve in curves.items()}
    {'a': 0.3333333333333333, 'b': 0.75}
    """
    found = dict(
        measured(
            streams,
            policy,
            sizes,
            ttl=ttl,
            weighed=weights,
            sample_rate=sample_rate,
            seed=seed,
            executor=executor,
            workers=workers,
        )
    )
    curves = {name: curve for name in streams if isinstance(curve := found[name], HitRateCurve)}
    reasons = {name: _told(problem) for name in streams if not isinstance(problem := found[name], HitRateCurve)}
    if reasons:
        raise MissingCurvesError(curves, reasons)
    return curves


def measured(
    streams: Mapping[str, Any],
    policy: str,
    sizes: ArrayLike | None,
    *,
    executor: Any = None,
    workers: int | None = None,
    **options: Any,
) -> Iterator[tuple[str, HitRateCurve | ValueError | Lost]]:
    """What `hit_rate_curves` does: the curve of each stream as it is done, or why there is none."""
    question = asked(policy, sizes, **options)
    for name, keys in streams.items():
        if not (isinstance(keys, Trace) or is_whole(keys)):
            raise ValueError(f"{name!r}: an iterator is not allowed, which cannot be sent; an array, a list or a Trace")
    if executor is None:
        compile_for(question)
    works = [_Work(keys, policy, sizes, options) for keys in streams.values()]
    names = list(streams)
    with closing(outcomes(_measure, works, executor=executor, workers=workers)) as done:
        for number, found in done:
            yield names[number], found


def _told(problem: ValueError | Lost) -> str:
    return f"is lost: {problem.reason}" if isinstance(problem, Lost) else str(problem)


class _Work(NamedTuple):
    """A stream, and what is asked of it."""

    keys: Any
    policy: str
    sizes: ArrayLike | None
    options: dict[str, Any]


def _measure(work: _Work) -> HitRateCurve | ValueError:
    try:
        stream = stream_of(work.keys, None, work.options["ttl"], work.options["weighed"] or None)
        return measure(stream, work.policy, work.sizes, held=is_whole(work.keys), threads=1, **work.options)
    except ValueError as error:
        return error
