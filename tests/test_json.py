"""The JSON that commands write is what its schema says, and no other document is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import numpy as np
import pytest

from cachesim import schemas
from cachesim.cli import main
from cachesim.world.metrics import METRICS
from tests.logs import write_log

STORM = """
title = "A small storm"
duration = 5
arrivals = { type = "poisson", rate = 50 }
keys = { type = "one-key" }
cache = { pattern = "cache-aside", ttl = 2, single_flight = "none" }
database = { latency = { type = "constant", value = 0.2 } }
[expect]
loads = ">= 1"
database_utilization = "<= 1"
"""

OWN = """
import asyncio

def factory(node):
    failed = []

    async def fail():
        await asyncio.sleep(0.1)
        raise KeyError("nobody takes this")

    async def get(key):
        if len(failed) < 3:
            failed.append(asyncio.create_task(fail()))
            raise ConnectionError("\\ud800 no text")
        return await node.database.read(key)

    return get
"""

RUN, CURVE, ADVISE = ("run", "storm.toml"), ("curve", "requests.csv"), ("advise", "access.log")
COMPARE = ("compare", "storm.toml", "--replications", "2", "--caches")
RACES = ("races", "storm.toml", "--schedules", "30")
COMMANDS = {
    "one run": RUN,
    "no requests": (*RUN, "--set", "arrivals.rate=0.001"),
    "two runs": (*RUN, "--replications", "2"),
    "an own cache": (*RUN, "--cache", "errors_for_json:factory"),
    "two runs of an own cache": (*RUN, "--cache", "errors_for_json:factory", "--replications", "2"),
    "a large seed": (*RUN, "--seed", str(2**70)),
    "a comparison": (*COMPARE, "none,cashews:lock,errors_for_json:factory"),
    "no conditions": (*COMPARE, "none,scenario", "--conditions", "none"),
    "a curve": CURVE,
    "policies": (*CURVE, "--policy", "lru", "--policy", "sieve"),
    "lifetimes": (*CURVE, "--ttl", "60", "--ttl", "1.5", "--size", "100"),
    "bytes": (*CURVE, "--bytes", "--size", "500"),
    "a sample": (*CURVE, "--sample-rate", "0.5"),
    "an access log": ADVISE,
    "requests": ("advise", "requests.csv"),
    "three requests": ("advise", "short.csv"),
    "races": (*RACES, "--set", "cache.pattern=pitfall:cache-aside"),
    "races of a pattern": RACES,
    "races of an own cache": (*RACES, "--cache", "errors_for_json:factory"),
    "races of a library": (*RACES, "--cache", "cashews:lock", "--strategy", "exhaustive"),
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """What a command writes with `--json -`, by its name in `COMMANDS`; each is run once, where its files are."""
    folder = tmp_path_factory.mktemp("json")
    keys = np.random.default_rng(1).zipf(1.2, 2_000) % 700
    rows = [f"{0.1 * number:.1f},{key},{key % 50 + 1}\n" for number, key in enumerate(keys)]
    (folder / "storm.toml").write_text(STORM)
    (folder / "errors_for_json.py").write_text(OWN)
    (folder / "requests.csv").write_text("time,key,size\n" + "".join(rows))
    (folder / "short.csv").write_text("time,key\n0,a\n1,b\n2,a\n")
    write_log(folder / "access.log", 3_000, keys=100, malformed=0.01, missing=0.02, writes=0.01, sessions=0.1)
    found: dict[str, Any] = {}

    def written(name: str) -> Any:
        if name not in found:
            assert main([*COMMANDS[name], "--json", str(folder / "out.json")]) == 0
            found[name] = json.loads((folder / "out.json").read_text())
        return deepcopy(found[name])

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield written


def closed(schema: Any) -> Any:
    """The schema, which then allows no field that it does not describe: what we write today is described in full."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: closed(item) for name, item in schema.items()}
    return {"additionalProperties": False, **inside} if isinstance(schema.get("properties"), dict) else inside


def validator(document: Any) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(closed(schemas.schema(document["schema"])))


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_written_is_what_its_schema_says(documents, name):
    document = documents(name)
    assert list(document)[:2] == ["schema", "cachesim"]
    assert document["schema"] == f"cachesim.{COMMANDS[name][0]}/1"
    validator(document).validate(document)
    assert "NaN" not in json.dumps(document)


def test_these_documents_hold_what_they_are_to_show(documents):
    assert documents("no requests")["metrics"]["hit_ratio"] is None
    assert documents("no requests")["expectations"][1]["value"] is None
    assert documents("two runs")["interval"]["database_utilization"] == [None, None]
    assert documents("an own cache")["errors"]["ConnectionError"]["count"] == 3
    assert documents("an own cache")["failures"][0]["count"] == 3
    assert documents("a large seed")["seed"] == 2**70
    assert documents("a comparison")["conditions"][-1]["caches"][2]["errors"] == {"ConnectionError": 3}
    assert documents("no conditions")["conditions"] == []
    assert documents("a sample")["curves"][0]["half_widths"] is not None
    assert documents("lifetimes")["curves"][1]["ttl"] == 60
    assert documents("an access log")["first_malformed"] is not None
    assert documents("an access log")["changes_of_keys"]
    assert documents("requests")["first_malformed"] is None
    assert documents("three requests")["recommendation"]["interval"] == [None, None]
    assert {found["race"] is None for found in documents("races")["invariants"]} == {True, False}
    assert {found["promised"] for found in documents("races of a pattern")["invariants"]} == {True}
    assert documents("races of an own cache")["cache"] == "errors_for_json:factory"
    assert documents("races of a library")["library"]["name"] == "cashews:lock"


# Other documents


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a document, but for scenarios, which have rules of their own."""
    if path:
        yield path
    if path != ("scenario",):
        for step in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            yield from places(value[step], (*path, step))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


@pytest.mark.parametrize("name", ["one run", "two runs", "an own cache", "a sample", "an access log", "races"])
def test_a_value_of_another_type_is_refused_wherever_it_is(documents, name):
    document = documents(name)
    valid = validator(document)
    missed = []
    for path in places(document):
        *way, last = path
        inside = at(document, tuple(way))
        kept, inside[last] = inside[last], [{"": None}]
        missed += [path] * valid.is_valid(document)
        inside[last] = kept
    assert not missed
    assert valid.is_valid(document)


@pytest.mark.parametrize("name", ["one run", "two runs", "a sample", "an access log", "races"])
def test_a_field_that_is_missing_is_refused(documents, name):
    document = documents(name)
    valid = validator(document)
    for field in list(document):
        kept = document.pop(field)
        assert not valid.is_valid(document), field
        document[field] = kept


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"schema": "cachesim.run/2"}, ()),
        ({"mean": {}}, ()),
        ({"surprise": 1}, ()),
        ({"seed": -1}, ()),
        ({"seed": 1.5}, ()),
        ({"digest": "abc"}, ()),
        ({"hit_ratio": "0.9"}, ("metrics",)),
        ({"hit_rate": 0.9}, ("metrics",)),
        ({"comparison": "~"}, ("expectations", 0)),
        ({"metric": "hit_rate"}, ("expectations", 0)),
        ({"met": None}, ("expectations", 0)),
    ],
)
def test_a_document_that_is_none_is_refused(documents, change, path):
    document = documents("one run")
    valid = validator(document)
    at(document, path).update(change)
    assert not valid.is_valid(document)


# The schemas


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_is_one_and_names_its_documents(name):
    schema = schemas.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == schema["properties"]["schema"]["const"] == name
    assert schema["description"]


def test_a_later_version_may_add_fields(documents):
    document = documents("one run")
    jsonschema.validate({**document, "surprise": 1}, schemas.schema("cachesim.run/1"))


def test_the_schema_of_runs_describes_every_metric():
    schema = schemas.schema("cachesim.run/1")
    metrics = schema["$defs"]["metrics"]
    assert metrics["required"] == list(metrics["properties"]) == list(METRICS)
    assert all(metric["description"].endswith(".") for metric in metrics["properties"].values())
    assert schema["properties"]["interval"]["required"] == list(METRICS)
    assert schema["properties"]["expectations"]["items"]["properties"]["metric"]["enum"] == list(METRICS)


def test_an_unknown_schema_is_told():
    with pytest.raises(ValueError, match=r"schema: 'cachesim.run/9' is unknown; known: .*cachesim.run/1"):
        schemas.schema("cachesim.run/9")
