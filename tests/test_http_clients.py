"""HTTP clients: what is sent to them, and what the validators that they keep save."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cachesim as cs
from cachesim.patterns.conditional import Conditional
from cachesim.patterns.http_messages import App, Message, Receive, Scope, Send
from cachesim.pitfalls.conditional import Conditional as Bare
from cachesim.world.http import http_factory
from cachesim.world.nodes import Factory
from cachesim.world.requests import CURRENT_REQUEST, Request

BODY = 500


def scenario(**changes: Any) -> cs.Scenario:
    """Three clients ask for twenty keys of a database that answers at once."""
    base = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=50),
        keys=cs.keys.Uniform(n=20),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0)),
        clients=cs.Clients(n=3, validators=True, body_bytes=BODY),
        duration=60,
    )
    return base.replace(**changes)


def http(run: cs.Result) -> tuple[float, float, float]:
    return run.metrics["bytes_sent"], run.metrics["bytes_saved"], run.metrics["not_modified"]


class Seen:
    """The middleware under test with a witness on both sides: rows, bodies made, answers sent."""

    def __init__(self, middleware: Callable[[App], App]) -> None:
        self.middleware = middleware
        self.answers: list[tuple[Scope, Message, bytes]] = []
        self.bodies: dict[tuple[str, int], set[bytes]] = {}

    def factory(self) -> Factory:
        return http_factory(lambda app: self.outside(self.middleware(self.inside(app))))

    def inside(self, app: App) -> App:
        async def inner(scope: Scope, receive: Receive, send: Send) -> None:
            async def noting(message: Message) -> None:
                if "body" in message:
                    version = scope["state"]["row"]["version"]
                    self.bodies.setdefault((scope["path"], version), set()).add(message["body"])
                await send(message)

            await app(scope, receive, noting)

        return inner

    def outside(self, app: App) -> App:
        async def outer(scope: Scope, receive: Receive, send: Send) -> None:
            messages: list[Message] = []

            async def noting(message: Message) -> None:
                messages.append(message)
                await send(message)

            await app(scope, receive, noting)
            self.answers.append((scope, messages[0], b"".join(message.get("body", b"") for message in messages[1:])))

        return outer


# What validators save


@pytest.mark.parametrize("middleware", [Conditional, Bare])
@pytest.mark.parametrize("nodes", [1, 4])
def test_without_writes_each_client_is_sent_each_key_once(middleware: Callable[[App], App], nodes: int) -> None:
    """Everything after a client's first request for a key is a 304, whichever node it asks."""
    run = cs.simulate(scenario(nodes=nodes), cache=http_factory(middleware))
    requests, firsts = run.metrics["requests"], 3 * 20
    assert http(run) == (BODY * firsts, BODY * (requests - firsts), requests - firsts)
    sent, saved, _ = http(run)
    assert saved / (sent + saved) == 1 - firsts / requests
    assert run.metrics["misses"] == requests, "a 304 costs the database a read all the same"


@pytest.mark.parametrize("middleware", [Conditional, Bare])
def test_a_304_is_never_an_answer_for_a_version_that_was_not_current_when_the_database_was_read(
    middleware: Callable[[App], App],
) -> None:
    """Both through the cache and behind it the keys are written all the time."""
    written = scenario(
        database=cs.Database(latency=cs.latency.Exponential(0.02)), writes=cs.Writes(share=0.1, behind=0.2), nodes=2
    )
    seen = Seen(middleware)
    run = cs.simulate(written, cache=seen.factory())
    versions: dict[tuple[str, bytes], int] = {}
    statuses: Counter[int] = Counter()
    for scope, start, body in seen.answers:
        path, row, fields = scope["path"], scope["state"]["row"], dict(scope["headers"])
        statuses[start["status"]] += 1
        if start["status"] == 200:
            assert len(body) == BODY
            assert versions.setdefault((path, dict(start["headers"])[b"etag"]), row["version"]) == row["version"]
        else:
            assert (start["status"], body) == (304, b"")
            assert versions[path, fields[b"if-none-match"]] == row["version"]
    assert statuses[200] > 500
    assert statuses[304] > 500
    sent, saved, not_modified = http(run)
    assert (sent, saved, not_modified) == (BODY * statuses[200], BODY * statuses[304], statuses[304])
    assert run.metrics["stale_reads"] == 0


def test_a_client_that_is_told_304_wrongly_is_served_the_old_version_that_it_keeps() -> None:
    class Always:
        def __init__(self, app: App) -> None:
            self.app = Conditional(app)

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def answer(message: Message) -> None:
                asked = b"if-none-match" in dict(scope["headers"])
                await send({**message, "status": 304} if asked and "status" in message else message)

            await self.app(scope, receive, answer)

    run = cs.simulate(scenario(**{"writes.behind": 1}), cache=http_factory(Always))
    assert run.metrics["not_modified"] == run.metrics["reads"] - 60
    assert run.requests.version_lag.max() > 10


def test_the_body_is_made_of_key_and_version_and_has_its_length() -> None:
    seen = Seen(Conditional)
    cs.simulate(scenario(writes=0.2), cache=seen.factory())
    assert all(len(bodies) == 1 for bodies in seen.bodies.values())
    every = [body for bodies in seen.bodies.values() for body in bodies]
    assert {len(body) for body in every} == {BODY}
    assert len(set(every)) == len(every) > 100


def test_without_validators_every_answer_has_its_body() -> None:
    seen = Seen(Conditional)
    run = cs.simulate(scenario(**{"clients.validators": False}), cache=seen.factory())
    assert http(run) == (BODY * run.metrics["requests"], 0, 0)
    assert not any(b"if-none-match" in dict(scope["headers"]) for scope, _, _ in seen.answers)


def test_an_answer_without_a_tag_is_not_kept() -> None:
    seen = Seen(lambda app: app)
    assert http(cs.simulate(scenario(), cache=seen.factory()))[1:] == (0, 0)
    assert {start["status"] for _, start, _ in seen.answers} == {200}


def test_requests_of_the_warm_up_do_not_count_but_what_clients_keep_of_them_does() -> None:
    run = cs.simulate(scenario(warmup=30), cache=http_factory(Conditional))
    requests = run.metrics["requests"]
    assert http(run) == (0, BODY * requests, requests)


@pytest.mark.parametrize("key", ["a/b", "/", "?q=%20", "straße", "a b"])
def test_any_key_can_be_asked(tmp_path: Path, key: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(f"{key}\n{key}\n")
    run = cs.simulate(scenario(keys=cs.keys.Recorded(path=str(path))), cache=http_factory(Conditional))
    assert run.requests.key.tolist() == run.loads.key.tolist() == [key, key]
    assert run.metrics["errors"] == 0


def test_a_batch_comes_from_one_client() -> None:
    """Each of its keys is a request of its own over HTTP."""
    run = cs.simulate(scenario(batch=3), cache=http_factory(Conditional))
    firsts = run.metrics["bytes_sent"] / BODY
    assert firsts >= 60  # a key that a batch has twice may be new twice
    assert run.metrics["not_modified"] == run.metrics["requests"] - firsts > 5000


# Who is sent what


def test_with_a_cache_that_does_not_speak_http_each_good_read_sends_its_body() -> None:
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            if key == "7":
                raise ValueError("no 7")
            return await node.database.read(key)

        return get

    run = cs.simulate(scenario(writes=0.1), cache=factory)
    good = run.metrics["requests"] - run.metrics["errors"] - run.metrics["writes"]
    assert run.metrics["errors"] > 0
    assert http(run) == (BODY * good, 0, 0)


@pytest.mark.parametrize("factory", [None, http_factory(Conditional)])
def test_without_clients_nothing_is_counted(factory: Factory | None) -> None:
    assert http(cs.simulate(scenario(clients=cs.Clients()), cache=factory)) == (0, 0, 0)
    assert http(cs.simulate(scenario(clients=cs.Clients(validators=True)), cache=factory)) == (0, 0, 0)


def test_each_client_is_as_likely_as_any_other() -> None:
    """Of 3,000 requests 750 come from each of four: 4 standard errors are 95."""
    asked: Counter[int] = Counter()

    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            request = CURRENT_REQUEST.get()
            assert isinstance(request, Request)
            asked[id(request.client)] += 1
            return await node.database.read(key)

        return get

    cs.simulate(scenario(arrivals=cs.arrivals.Constant(rate=50), **{"clients.n": 4}), cache=factory)
    assert len(asked) == 4
    assert all(abs(number - 750) < 95 for number in asked.values())


def test_clients_are_a_source_of_chance_of_their_own() -> None:
    with_clients, without = (cs.simulate(scenario(clients=clients)) for clients in (cs.Clients(n=5), cs.Clients()))
    assert with_clients.digest == without.digest


def test_a_run_over_http_repeats_from_its_seed_in_both_modes() -> None:
    written = scenario(writes=0.1, nodes=2, database=cs.Database(latency=cs.latency.Exponential(0.01)))
    factory = http_factory(Conditional)
    tables, summary = cs.simulate(written, cache=factory), cs.simulate(written, cache=factory, record="summary")
    assert tables.digest == summary.digest
    assert http(tables) == http(summary)


# What a scenario says


@pytest.mark.parametrize(
    "clients", [cs.Clients(), cs.Clients(n=3), cs.Clients(n=10**9, validators=True), cs.Clients(body_bytes=1)]
)
def test_clients_go_to_a_file_and_back_without_loss(tmp_path: Path, clients: cs.Clients) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(scenario(clients=clients).to_toml())
    assert cs.load(path) == scenario(clients=clients)
    assert ("clients" in tomllib.loads(path.read_text())) == (clients != cs.Clients())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clients": 5}, "clients: 5 is not allowed; a table"),
        ({"clients.n": 0}, "clients.n: 0 is not allowed; 1 or more"),
        ({"clients.n": 2.0}, "clients.n: 2.0 is not allowed; a whole number"),
        ({"clients.validators": 1}, "clients.validators: 1 is not allowed; true or false"),
        ({"clients.body_bytes": 0}, "clients.body_bytes: 0 is not allowed; 1 or more"),
        (
            {"clients.m": 1},
            "clients.m: unknown field; known: timeout, retries, backoff, disconnect, n, validators, body_bytes",
        ),
    ],
)
def test_a_refusal_names_the_field_the_value_and_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(cs.ScenarioError) as caught:
        scenario(**changes)
    assert str(caught.value) == message
