"""Options are validated when a cache is made and when a call changes them; what is wrong is told in one line."""

import asyncio
import inspect

import pytest

from cachesim.patterns import PATTERNS, CacheAside, InProcess
from cachesim.settings import InvalidSetting
from tests.patterns.kit import KINDS


@pytest.fixture(params=[kind for kind in KINDS if kind != "stale-while-revalidate"])  # its lifetime has another name
def kind(request):
    return request.param


WRONG = [
    ("ttl", 0, "ttl: 0 is not allowed; 0.001 or more"),
    ("ttl", 0.0005, "ttl: 0.0005 is not allowed; 0.001 or more"),
    ("ttl", -1, "ttl: -1 is not allowed; 0.001 or more"),
    ("ttl", True, "ttl: True is not allowed; a number"),
    ("ttl", "10", "ttl: '10' is not allowed; a number"),
    ("ttl", None, "ttl: None is not allowed; a number"),
    ("ttl", float("inf"), "ttl: inf is not allowed; a finite number"),
    ("ttl", float("nan"), "ttl: nan is not allowed; a finite number"),
    ("jitter", -1, "jitter: -1 is not allowed; 0 or more"),
    ("jitter", 10, "jitter: 10.0 is not allowed; at least 1 ms below ttl (10)"),
    ("jitter", 20, "jitter: 20.0 is not allowed; at least 1 ms below ttl (10)"),
    ("negative_ttl", 0, "negative_ttl: 0 is not allowed; 0.001 or more"),
    ("stale_if_error", -1, "stale_if_error: -1 is not allowed; 0 or more"),
    ("load_timeout", 0, "load_timeout: 0 is not allowed; above 0"),
    ("single_flight", "yes", "single_flight: 'yes' is not allowed; "),
    ("single_flight", True, "single_flight: True is not allowed; "),
]
WRONG_IN_PROCESS = [
    ("size", 0, "size: 0 is not allowed; 1 or more"),
    ("size", 1.5, "size: 1.5 is not allowed; a whole number"),
    (
        "policy",
        "lruu",
        "policy: 'lruu' is not allowed; 'fifo', 'lru', 'lfu', 'random', 'clock', 'sieve', 'slru', '2q', 'arc', "
        "'s3-fifo', 'lirs' or 'w-tinylfu'",
    ),
    ("renew", 1, "renew: 1 is not allowed; true or false"),
]
WRONG_CACHE_ASIDE = [("namespace", 5, "namespace: 5 is not allowed; a text")]


NO_OPTIONS = ("redis", "store", "clock", "rng", "observe")


def refused(line):
    """The error of an invalid option, whose text is one line that begins so."""
    return pytest.raises(InvalidSetting, check=lambda error: str(error).startswith(line) and "\n" not in str(error))


@pytest.mark.parametrize(("name", "value", "line"), WRONG)
async def test_an_invalid_option_is_refused(make, name, value, line):
    with refused(line):
        make(**({"ttl": 10} | {name: value}))


@pytest.mark.parametrize(("name", "value", "line"), WRONG)
async def test_an_invalid_change_is_refused(make, origin, name, value, line):
    cache = make(ttl=10)
    with refused(line):
        await cache.get_or_set("k", origin.load, **{name: value})
    with refused(line):
        await cache.set("k", "set", **{name: value})
    assert origin.calls == 0


@pytest.mark.parametrize(("name", "value", "line"), WRONG_IN_PROCESS)
def test_an_invalid_option_of_in_process_is_refused(make_in_process, name, value, line):
    with refused(line):
        make_in_process(**{name: value})


@pytest.mark.parametrize(("name", "value", "line"), WRONG_CACHE_ASIDE)
def test_an_invalid_option_of_cache_aside_is_refused(make_aside, name, value, line):
    with refused(line):
        make_aside(**{name: value})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("in-process", {"size": 5}),
        ("in-process", {"policy": "lfu"}),
        ("in-process", {"renew": True}),
        ("cache-aside", {"namespace": "other"}),
    ],
)
async def test_what_holds_for_the_whole_cache_cannot_differ_from_call_to_call(world, origin, kind, change):
    cache = world.make(kind)
    ((name, value),) = change.items()
    with refused(f"{name}: {value!r} is not allowed; it holds for the whole cache"):
        await cache.get_or_set("k", origin.load, **change)


async def test_an_unknown_change_is_refused_with_the_known_ones(make, origin):
    with refused("tll: unknown field; known: ttl, jitter, single_flight, "):
        await make().get_or_set("k", origin.load, tll=5)


async def test_a_refused_write_changes_nothing(make, origin):
    cache = make()
    await cache.set("k", "old")
    with refused("ttl"):
        await cache.set("k", "new", ttl=0)
    assert await cache.get_or_set("k", origin.load) == "old"


def test_several_problems_are_told_at_once(make):
    with refused("ttl: 0 is not allowed; 0.001 or more; load_timeout: 0 is not allowed; above 0"):
        make(ttl=0, load_timeout=0)


def test_an_unknown_option_is_pythons_own_error():
    with pytest.raises(TypeError, match="tll"):
        InProcess(ttl=10, tll=10)  # type: ignore[call-arg]


def test_whole_numbers_are_numbers(make):
    make(ttl=10, jitter=5, negative_ttl=1, stale_if_error=0, load_timeout=1)


def test_a_lifetime_of_a_millisecond_is_the_shortest(make):
    make(ttl=0.001, negative_ttl=0.001)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_every_option_has_one_name_and_one_default(pattern):
    arguments = inspect.signature(pattern).parameters
    assert all(
        argument.kind is argument.KEYWORD_ONLY for name, argument in arguments.items() if name not in NO_OPTIONS[:2]
    )
    options = {n: a.default for n, a in arguments.items() if n not in NO_OPTIONS}
    fields = pattern.options_type.model_fields
    assert options.keys() == fields.keys()
    for name, field in fields.items():
        assert options[name] == (inspect.Parameter.empty if field.is_required() else field.default)


def test_patterns_are_known_by_their_names():
    assert PATTERNS["in-process"] is InProcess
    assert PATTERNS["cache-aside"] is CacheAside


async def test_a_call_may_do_without_single_flight(make, origin):
    cache = make()
    callers = [asyncio.ensure_future(cache.get_or_set("k", origin.load, single_flight="none")) for _ in range(3)]
    await asyncio.gather(*callers)
    assert origin.calls == 3
