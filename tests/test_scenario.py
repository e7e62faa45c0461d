"""Scenarios: what they accept, what they refuse and in which words, and their form as a file."""

import tomllib
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cachesim as cs
from cachesim import arrivals, keys, latency
from cachesim.scenario import Expectation, bundled
from cachesim.world.metrics import METRICS

BASE = cs.Scenario(
    arrivals=arrivals.Poisson(rate=100),
    keys=keys.Zipf(n=1000, alpha=0.9),
    cache=cs.Pattern("cache-aside", ttl=10),
    database=cs.Database(latency=latency.Exponential(0.02)),
)
FILE = """
[arrivals]
type = "poisson"
rate = 100
[keys]
type = "one-key"
[cache]
pattern = "cache-aside"
ttl = 10
[database.latency]
type = "constant"
value = 0.5
"""


def refused(**changes: Any) -> str:
    """The message with which the base, changed so, is refused."""
    with pytest.raises(cs.ScenarioError) as caught:
        BASE.replace(**changes)
    return str(caught.value)


# To a file and back

TIMES = st.one_of(st.integers(1, 1000), st.floats(1e-6, 1e4))
PATHS = st.from_regex(r"/data/[a-zäß ]+\.(txt|trace\.xz)", fullmatch=True)
ARRIVALS = st.one_of(
    st.builds(arrivals.Poisson, rate=st.floats(1e-3, 1e3)),
    st.builds(arrivals.Constant, rate=st.integers(1, 1000)),
    st.builds(arrivals.Recorded, path=PATHS),
)
KEYS = st.one_of(
    st.builds(keys.OneKey),
    st.builds(keys.Uniform, n=st.integers(1, 10**8)),
    st.builds(keys.Zipf, n=st.integers(1, 10**6), alpha=st.floats(0, 5)),
    st.builds(keys.Recorded, path=PATHS),
    st.builds(keys.Documentation),
)
LATENCIES = st.one_of(
    st.builds(latency.Constant, value=st.just(0) | TIMES),
    st.builds(latency.Exponential, mean=TIMES),
    st.builds(latency.Erlang, mean=TIMES, k=st.integers(1, 100)),
    st.builds(latency.LogNormal, mean=TIMES, cv=st.floats(0.01, 10)),
    st.builds(lambda low, width: latency.Uniform(low, high=low + width), TIMES, TIMES),
    st.lists(TIMES, min_size=1).map(lambda values: latency.Empirical(values=tuple(values))),
)
COMMON = {
    "jitter": st.floats(0, 0.5),
    "single_flight": st.sampled_from(["none", "process"]),
    "negative_ttl": st.floats(0.001, 100),
    "stale_if_error": st.just(0) | TIMES,
    "load_timeout": TIMES,
}
IN_PROCESS = {
    "size": st.integers(1, 10**9),
    "policy": st.sampled_from(["fifo", "lru", "lfu", "random"]),
    "renew": st.booleans(),
}


def patterns(name: str, **special: st.SearchStrategy[Any]) -> st.SearchStrategy[cs.Pattern]:
    options = st.fixed_dictionaries({"ttl": st.integers(1) | st.floats(1, 1e6)}, optional=COMMON | special)
    return options.map(lambda options: cs.Pattern(name, **options))


PATTERNS = st.one_of(
    st.just(cs.Pattern("none")),
    patterns("cache-aside", namespace=st.text()),
    patterns("in-process", **IN_PROCESS),
)
BOUNDS = st.builds(
    lambda sign, number: f"{sign} {number}", st.sampled_from([">=", "<=", "==", ">", "<"]), st.floats(-1e9, 1e9)
)


@st.composite
def scenarios(draw):
    when, which = draw(ARRIVALS), draw(KEYS)
    ends = isinstance(when, arrivals.Recorded) or isinstance(which, keys.Recorded | keys.Documentation)
    optional = {
        "title": st.text(),
        "redis": st.builds(cs.Redis, round_trip=TIMES | LATENCIES),
        "writes": st.floats(0, 1),
        "nodes": st.integers(1, 1000),
        "balance": st.sampled_from(["random", "round-robin", "key"]),
        "duration": st.none() | TIMES if ends else TIMES,
        "seed": st.integers(0),
        "expect": st.dictionaries(st.sampled_from(METRICS), BOUNDS),
    }
    fields = draw(st.fixed_dictionaries({}, optional=optional))
    longest = fields.get("duration") or (1.0 if ends else 60.0)
    return cs.Scenario(
        arrivals=when,
        keys=which,
        cache=draw(PATTERNS),
        database=cs.Database(
            latency=draw(LATENCIES),
            connections=draw(st.none() | st.integers(1)),
            on_cancel=draw(st.sampled_from(["finish", "withdraw"])),
        ),
        warmup=draw(st.floats(0, longest / 2)),
        **fields,
    )


@given(scenarios())
def test_toml_and_back_without_loss(scenario):
    text = scenario.to_toml()
    again = cs.Scenario(**tomllib.loads(text))
    assert again == scenario
    assert again.to_toml() == text


@given(scenarios())
def test_a_file_and_back_without_loss(tmp_path_factory, scenario):
    path = tmp_path_factory.mktemp("scenario") / "scenario.toml"
    path.write_bytes(scenario.to_toml().encode())
    assert cs.load(path) == scenario


@given(scenarios())
def test_a_replaced_nothing_is_an_equal_scenario(scenario):
    assert scenario.replace() == scenario


def test_a_file_says_only_what_differs_from_the_defaults():
    assert set(tomllib.loads(BASE.to_toml())) == {"arrivals", "keys", "cache", "database"}
    assert tomllib.loads(BASE.replace(nodes=3, duration=60).to_toml())["nodes"] == 3


@pytest.mark.parametrize("name", bundled())
def test_bundled_scenarios_load_and_have_a_title_and_expectations(name):
    scenario = cs.load(bundled()[name])
    assert scenario.title
    assert scenario.expectations
    assert cs.Scenario(**tomllib.loads(scenario.to_toml())) == scenario


# Files


def test_recorded_paths_are_relative_to_the_file(tmp_path):
    path = tmp_path / "scenario.toml"
    path.write_text(
        FILE.replace('"poisson"\nrate = 100', '"recorded"\npath = "times.txt"').replace(
            '"one-key"', '"recorded"\npath = "/data/keys.txt"'
        )
    )
    scenario = cs.load(path)
    assert scenario.arrivals == arrivals.Recorded(path=str(tmp_path / "times.txt"))
    assert scenario.keys == keys.Recorded(path="/data/keys.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"title = ", "is not TOML: Invalid value"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "is not TOML: "),
        (b"seed = 1" + b"0" * 5000, "is not TOML: "),
        (b"", "arrivals: missing; keys: missing; cache: missing; database: missing"),
    ],
)
def test_a_file_that_is_no_scenario_is_named(tmp_path, content, message):
    path = tmp_path / "scenario.toml"
    path.write_bytes(content)
    with pytest.raises(cs.ScenarioError) as caught:
        cs.load(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(cs.ScenarioError, match=r"missing.toml: no such file$"):
        cs.load(tmp_path / "missing.toml")
    with pytest.raises(cs.ScenarioError, match=r"cannot be read: Is a directory$"):
        cs.load(tmp_path)


# Replacing


def test_dotted_names_reach_inside():
    changed = BASE.replace(duration=120, **{"cache.ttl": 5, "database.connections": 3, "keys.n": 7})
    assert (changed.duration, changed.cache, changed.database.connections, changed.keys) == (
        120,
        cs.Pattern("cache-aside", ttl=5),
        3,
        keys.Zipf(n=7, alpha=0.9),
    )
    assert BASE.cache == cs.Pattern("cache-aside", ttl=10)


def test_dotted_names_reach_inside_what_was_just_replaced():
    changed = BASE.replace(**{"keys": keys.Zipf(n=5, alpha=1), "keys.alpha": 2, "redis.round_trip": 0.001})
    assert changed.keys == keys.Zipf(n=5, alpha=2)
    assert changed.redis == cs.Redis(round_trip=0.001)


def test_replacing_leaves_the_original_alone():
    scenario = BASE.replace(expect={"hit_ratio": ">= 0.5"})
    changed = scenario.replace(**{"expect.hit_ratio": ">= 0.9", "expect.loads": "> 0"})
    assert scenario.expect == {"hit_ratio": ">= 0.5"}
    assert changed.expect == {"hit_ratio": ">= 0.9", "loads": "> 0"}


def test_a_replaced_field_is_validated():
    assert refused(**{"cache.ttl": -1}) == "cache.ttl: -1 is not allowed; 0.001 or more"
    assert refused(**{"cach.ttl": 1}).startswith("cach: unknown field; known: title, arrivals, keys, cache,")
    assert refused(**{"seed.x.y": 1}).startswith("seed")
    assert refused(**{"duration": 30, "duration.x": 1}) == "duration.x: unknown field; 'duration' is no table"


# Duration


def test_the_duration_is_60_s_if_nothing_else_ends_the_run():
    assert BASE.duration == 60
    assert refused(duration=None) == "duration: missing; only recorded keys or times end by themselves"


@pytest.mark.parametrize(
    "recorded",
    [
        {"arrivals": arrivals.Recorded(path="times.txt")},
        {"keys": keys.Recorded(path="keys.txt")},
        {"keys": keys.Documentation()},
    ],
)
def test_a_recorded_stream_ends_the_run_unless_a_duration_was_given(recorded):
    assert BASE.replace(**recorded).duration is None
    assert BASE.replace(**recorded, duration=5).duration == 5
    assert BASE.replace(duration=60).replace(**recorded).duration == 60
    assert BASE.replace(**recorded).replace(arrivals=BASE.arrivals, keys=BASE.keys).duration == 60


def test_the_warm_up_ends_before_the_run_does():
    assert refused(warmup=60) == "warmup: 60.0 is not allowed; below duration (60)"
    assert BASE.replace(warmup=59.9).warmup == 59.9


def test_more_than_ten_thousand_million_requests_are_refused():
    message = "duration: 100000001.0 is not allowed; about 1e+10 requests would arrive, at most 1e10 may"
    assert refused(duration=100_000_001) == message
    assert BASE.replace(duration=100_000_000).duration == 1e8
    assert refused(arrivals=arrivals.Constant(rate=1e300), duration=1e300).startswith("duration: 1e+300 is not allowed")


# Strict types, finite numbers, and messages that name field, value and what is allowed


@pytest.mark.parametrize("value", [True, "5", "", None, [], {}, inf, -inf, nan, -1])
@pytest.mark.parametrize(
    ("field", "allowed"),
    [
        ("arrivals.rate", ("a number", "a finite number", "above 0")),
        ("duration", ("a number", "a finite number", "above 0", "only recorded keys or times")),
        ("warmup", ("a number", "a finite number", "0 or more")),
        ("writes", ("a number", "a finite number", "0 or more", "1 or less")),
        ("seed", ("a whole number", "0 or more")),
        ("nodes", ("a whole number", "1 or more")),
        ("keys.n", ("a whole number", "1 or more")),
        ("keys.alpha", ("a number", "a finite number", "0 or more")),
        ("cache.ttl", ("a number", "a finite number", "0.001 or more")),
        ("cache.jitter", ("a number", "a finite number", "0 or more")),
        ("database.latency.mean", ("a number", "a finite number", "above 0")),
        ("redis.round_trip", ("seconds (0 or more) or a latency", "known: constant, exponential")),
    ],
)
def test_a_number_is_a_finite_number_within_its_bounds(field, allowed, value):
    message = refused(**{field: value})
    assert message.startswith(field)
    assert repr(value) in message or "missing" in message
    assert any(text in message for text in allowed)
    assert "\n" not in message
    assert "Undefined" not in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": 5}, "title: 5 is not allowed; a text"),
        ({"titel": "x"}, "titel: unknown field; known: title, arrivals, keys, cache, database, redis, writes, nodes, "),
        ({"balance": "x"}, "balance: 'x' is not allowed; 'random', 'round-robin' or 'key'"),
        ({"writes": 1.5}, "writes: 1.5 is not allowed; 1 or less"),
        ({"nodes": 2.0}, "nodes: 2.0 is not allowed; a whole number"),
        ({"seed": 1.5}, "seed: 1.5 is not allowed; a whole number"),
        ({"arrivals": 5}, "arrivals: 5 is not allowed; a table with type = one of poisson, constant"),
        ({"arrivals.type": "poison"}, "arrivals.type: 'poison' is unknown; known: poisson, constant"),
        ({"arrivals": {"rate": 5}}, "arrivals.type: missing; known: poisson, constant"),
        ({"arrivals": {"type": "poisson"}}, "arrivals.rate: missing"),
        ({"arrivals": {"type": "constant", "rate": 0}}, "arrivals.rate: 0 is not allowed; above 0"),
        ({"arrivals": {"type": "recorded", "path": 5}}, "arrivals.path: 5 is not allowed; a text"),
        ({"arrivals.burst": 5}, "arrivals.burst: unknown field; known: rate"),
        ({"keys": {"type": "one-key", "n": 5}}, "keys.n: unknown field; known: "),
        ({"keys": {"type": "uniform", "n": 0}}, "keys.n: 0 is not allowed; 1 or more"),
        ({"keys": {"type": "recorded"}}, "keys.path: missing"),
        ({"keys": {"type": "documentation", "path": "x"}}, "keys.path: unknown field; known: "),
        ({"database": 5}, "database: 5 is not allowed; a table"),
        ({"database.connections": 0}, "database.connections: 0 is not allowed; 1 or more"),
        ({"database.on_cancel": "x"}, "database.on_cancel: 'x' is not allowed; 'finish' or 'withdraw'"),
        ({"database.latency": 0.5}, "database.latency: 0.5 is not allowed; a table with type = one of constant, expo"),
        ({"database.latency.mean": 0}, "database.latency.mean: 0 is not allowed; above 0"),
        ({"database.latency": {"type": "constant", "value": -1}}, "database.latency.value: -1 is not allowed; 0 or m"),
        (
            {"database.latency": {"type": "erlang", "mean": 1, "k": 0}},
            "database.latency.k: 0 is not allowed; 1 or more",
        ),
        (
            {"database.latency": {"type": "log-normal", "mean": 1, "cv": 0}},
            "database.latency.cv: 0 is not allowed; abo",
        ),
        (
            {"database.latency": {"type": "uniform", "low": 3, "high": 1}},
            "database.latency.high: 1.0 is not allowed; low (3) or more",
        ),
        (
            {"database.latency": {"type": "empirical", "values": []}},
            "database.latency.values: [] is not allowed; at le",
        ),
        (
            {"database.latency": {"type": "empirical", "values": [1, -1]}},
            "database.latency.values.1: -1 is not allowed",
        ),
        ({"redis": 5}, "redis: 5 is not allowed; a table"),
        ({"redis.round_trip": {"type": "x"}}, "redis.round_trip.type: 'x' is unknown; known: constant, exponential"),
        ({"cache": 5}, "cache: 5 is not allowed; a table"),
        ({"cache": {"ttl": 5}}, "cache.pattern: missing; known: none, "),
        ({"cache.pattern": "cash-aside"}, "cache.pattern: 'cash-aside' is unknown; known: none, "),
        ({"cache.pattern": ["none"]}, "cache.pattern: ['none'] is unknown; known: none, "),
        ({"cache.pattern": "none"}, "cache.ttl: unknown field; the pattern 'none' has none"),
        ({"cache.ttll": 5}, "cache.ttll: unknown field; known: ttl, jitter, single_flight, "),
        ({"cache.size": 5}, "cache.size: unknown field; known: ttl, jitter, single_flight, "),
        ({"cache": {"pattern": "cache-aside"}}, "cache.ttl: missing"),
        ({"cache.ttl": 0.0001}, "cache.ttl: 0.0001 is not allowed; 0.001 or more"),
        ({"cache.jitter": 10}, "cache.jitter: 10.0 is not allowed; at least 1 ms below ttl (10)"),
        ({"cache.single_flight": "x"}, "cache.single_flight: 'x' is not allowed; 'none'"),
        ({"cache.self": 5}, "cache.self: unknown field; known: ttl, "),
        ({"expect": 5}, "expect: 5 is not allowed; a table"),
        ({"expect.hit_rate": ">= 1"}, "expect.hit_rate: unknown metric; known: requests, reads, "),
        ({"expect.hit_ratio": 0.9}, "expect.hit_ratio: 0.9 is not allowed; a bound such as"),
        ({"expect.hit_ratio": "about 0.9"}, "expect.hit_ratio: 'about 0.9' is not allowed; a bound such as"),
    ],
)
def test_a_refusal_names_the_field_the_value_and_what_is_allowed(changes, message):
    assert refused(**changes).startswith(message)


@pytest.mark.parametrize("field", ["self", "arrivals.self", "keys.self", "database.self", "database.latency.self"])
def test_no_name_of_a_field_is_special(field):
    assert refused(**{field: 5}).startswith(f"{field}: unknown field; known: ")


@pytest.mark.parametrize("field", ["arrivals", "keys", "database.latency", "redis.round_trip"])
@pytest.mark.parametrize("value", [["x"], {"a": 1}, 5, True])
def test_a_type_is_the_name_of_one(field, value):
    message = refused(**{field: {"type": value}})
    assert message.startswith(f"{field}.type: {value!r} is unknown; known: ")


def test_every_problem_is_named_in_one_line():
    message = refused(nodes=0, **{"cache.ttl": -1, "arrivals.rate": nan})
    assert message == (
        "arrivals.rate: nan is not allowed; a finite number; cache.ttl: -1 is not allowed; 0.001 or more; "
        "nodes: 0 is not allowed; 1 or more"
    )


def test_a_pattern_takes_one_name():
    with pytest.raises(TypeError, match="1 positional argument, got 2"):
        cs.Pattern("cache-aside", "none")


# Expectations


@pytest.mark.parametrize(
    ("text", "met", "missed"),
    [
        (">= 0.9", (0.9, 1), (0.89,)),
        ("<= 0.9", (0.9, 0), (0.91,)),
        ("== 1", (1,), (0.999, 2)),
        ("> 1", (1.1,), (1, 0.9)),
        ("<1e-3", (0.0009,), (0.001,)),
        ("  >=  -2  ", (-2, 0), (-3,)),
    ],
)
def test_a_bound_is_met_or_missed(text, met, missed):
    expectation = Expectation.parse("hit_ratio", text)
    assert all(map(expectation.met, met))
    assert not any(map(expectation.met, missed))
    assert not expectation.met(nan)


@pytest.mark.parametrize("text", ["", "0.9", "=> 0.9", ">=", ">= nan", ">= inf", ">= 0.9 or so", ">= 0,9", 0.9, None])
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(cs.ScenarioError, match=r'^hit_ratio: .* is not allowed; a bound such as ">= 0.9"'):
        Expectation.parse("hit_ratio", text)


@given(BOUNDS)
def test_a_bound_is_shown_as_it_was_given(text):
    expectation = Expectation.parse("loads", text)
    shown = Expectation.parse("loads", str(expectation).removeprefix("loads "))
    assert shown.bound == pytest.approx(expectation.bound, rel=1e-11)
    assert shown.comparison == expectation.comparison
