"""Applications of FastAPI and Starlette, and bare ones, as caches under test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import cachesim as cs
from cachesim.adapters import AsgiError, asgi
from tests.adapters.kit import LOADING, played, scenario

Get = Callable[[str], Any]


def fastapi_app(get: Get, delete: Get) -> Any:
    app = FastAPI()
    app.get("/{key}")(get)
    app.delete("/{key}", status_code=204, response_model=None)(delete)
    return app


def starlette_app(get: Get, delete: Get) -> Any:
    async def answer(request: Request) -> Response:
        return JSONResponse(await get(request.path_params["key"]))

    async def forget(request: Request) -> Response:
        await delete(request.path_params["key"])
        return Response(status_code=204)

    return Starlette(routes=[Route("/{key}", answer), Route("/{key}", forget, methods=["DELETE"])])


both = pytest.mark.parametrize("framework", [fastapi_app, starlette_app])


def kept_for_good(framework: Any) -> Callable[[cs.Node], Any]:
    """An application that keeps what it has read until it is told to forget it."""

    def make(node: cs.Node) -> Any:
        kept: dict[str, Any] = {}

        async def get(key: str) -> Any:
            if key not in kept:
                kept[key] = await node.database.read(key)
            return kept[key]

        async def delete(key: str) -> None:
            kept.pop(key, None)

        return framework(get, delete)

    return make


def failing(framework: Any) -> Callable[[cs.Node], Any]:
    def make(node: cs.Node) -> Any:
        async def get(key: str) -> Any:
            raise LookupError(f"no {key}")

        return framework(get, get)

    return make


@both
@pytest.mark.parametrize("key", ["k", "a:b cü?&%41"])
def test_a_row_comes_back_as_it_was_loaded(framework, key):
    async def script(app: Any, database: Any) -> Any:
        return await app.get(key), await app.get(key), await database.read(key)

    (loaded, kept, row), loads = played(asgi(kept_for_good(framework)), script)
    assert loaded == kept == row | {"load": loaded["load"]}
    assert loads == 2


@both
def test_a_delete_is_a_request_where_there_is_a_path_for_it(framework):
    async def script(app: Any, database: Any) -> Any:
        versions = [(await app.get("k"))["version"]]
        await database.write("k", {"key": "k", "write": 1})
        versions.append((await app.get("k"))["version"])
        await app.delete("k")
        return [*versions, (await app.get("k"))["version"]]

    assert played(asgi(kept_for_good(framework), invalidate="/{key}"), script) == ([0, 0, 1], 2)


def test_without_a_path_for_deletes_there_are_none():
    async def script(app: Any, database: Any) -> Any:
        return app.delete

    assert played(asgi(kept_for_good(starlette_app)), script) == (None, 0)


@both
def test_an_endpoint_that_raises_is_an_error_of_the_request(framework):
    result = cs.simulate(scenario(arrivals=cs.arrivals.Constant(rate=1)), cache=asgi(failing(framework)))
    assert result.metrics["errors"] == result.metrics["requests"] == 60
    assert result.failures == []

    async def script(app: Any, database: Any) -> Any:
        with pytest.raises(LookupError, match="no k"):
            await app.get("k")

    played(asgi(failing(framework)), script)


@both
def test_a_status_that_is_no_success_is_an_error(framework):
    async def script(app: Any, database: Any) -> Any:
        with pytest.raises(AsgiError, match=r"^GET /nothing/here was answered 404$"):
            await app.get("here")

    played(asgi(kept_for_good(framework), path="/nothing/{key}"), script)


def test_the_key_may_stand_in_the_query():
    def make(node: cs.Node) -> Any:
        app = FastAPI()

        @app.get("/rows")
        async def get(key: str) -> Any:
            return await node.database.read(key)

        return app

    async def script(app: Any, database: Any) -> Any:
        return (await app.get("a&b=c"))["key"]

    assert played(asgi(make, path="/rows?key={key}"), script) == ("a&b=c", 1)


def lived(log: list[Any], starting: float = 1.0) -> Callable[[cs.Node], Any]:
    """An application that says when it begins and ends, and keeps what it is to read in its state."""

    def make(node: cs.Node) -> Any:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
            await asyncio.sleep(starting)
            log.append(("begun", node.clock()))
            yield {"read": node.database.read}
            log.append(("ended", node.clock()))

        async def get(request: Request) -> Response:
            return JSONResponse(await request.state.read(request.path_params["key"]))

        return Starlette(routes=[Route("/{key}", get)], lifespan=lifespan)

    return make


def test_an_application_has_started_before_it_is_asked_and_is_shut_down_at_the_end():
    log: list[Any] = []

    async def script(app: Any, database: Any) -> Any:
        await app.get("k")
        return asyncio.get_running_loop().time()

    assert played(asgi(lived(log)), script) == (1 + LOADING, 1)
    assert log == [("begun", 1), ("ended", 60)]


def test_a_deployment_shuts_the_old_one_down_and_starts_a_new_one():
    log: list[Any] = []
    deploy = cs.faults.Deploy(at=10)
    cs.simulate(scenario(faults=[deploy]), cache=asgi(lived(log, starting=0)))
    assert sorted(log) == [("begun", 0), ("begun", 10), ("ended", 10), ("ended", 60)]


def test_an_application_that_does_not_start_answers_nothing():
    def make(node: cs.Node) -> Any:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            raise ValueError("no settings")
            yield

        return Starlette(lifespan=lifespan)

    async def script(app: Any, database: Any) -> Any:
        for _ in range(2):
            with pytest.raises(AsgiError, match="did not start: ValueError: no settings"):
                await app.get("k")

    played(asgi(make), script)


def test_an_application_that_fails_at_its_shutdown_says_so():
    def make(node: cs.Node) -> Any:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            yield
            raise ValueError("left open")

        return Starlette(lifespan=lifespan)

    with pytest.raises(ValueError, match="left open"):
        cs.simulate(scenario(), cache=asgi(make))


def test_a_bare_application_needs_no_lifespan():
    def make(node: cs.Node) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b'{"ke', "more_body": True})
            await send({"type": "http.response.body", "body": b'y": 1}'})

        return app

    async def script(app: Any, database: Any) -> Any:
        return await app.get("k")

    assert played(asgi(make), script) == ({"key": 1}, 0)


def test_an_answer_may_be_streamed_past_a_middleware_that_waits_for_the_client_to_leave():
    def make(node: cs.Node) -> Any:
        app = FastAPI()

        @app.middleware("http")
        async def passed_on(request: Any, call_next: Any) -> Any:
            return await call_next(request)

        @app.get("/{key}")
        async def get(key: str) -> Any:
            async def parts() -> AsyncIterator[bytes]:
                yield b'{"key"'
                await asyncio.sleep(1)
                yield b': "k"}'

            return StreamingResponse(parts())

        return app

    async def script(app: Any, database: Any) -> Any:
        return await app.get("k"), asyncio.get_running_loop().time()

    assert played(asgi(make), script) == (({"key": "k"}, 1), 0)


def test_an_endpoint_that_needs_a_thread_is_refused():
    def make(node: cs.Node) -> Any:
        app = FastAPI()

        @app.get("/{key}")
        def get(key: str) -> Any:
            return key

        return app

    with pytest.raises(cs.SimulationError, match="no real threads; call the function directly, or make it `async def`"):
        cs.simulate(scenario(), cache=asgi(make))
