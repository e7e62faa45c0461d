"""The statements once more, through uvicorn and httpx, with FastAPI and Starlette on SQLite."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.middleware.gzip import GZipMiddleware

from cachesim.patterns.conditional import Conditional, etag
from cachesim.patterns.http_cache import HttpCache
from tests.http.apps import current, fastapi_app, starlette_app
from tests.http.server import Observed, serving

HOME = etag(b"Welcome! " * 100)


@pytest.fixture(params=[starlette_app, fastapi_app], ids=["starlette", "fastapi"])
def app(request):
    return request.param()


@pytest.fixture
def client(app):
    app.add_middleware(Conditional, current=current)
    with serving(app) as url, httpx.Client(base_url=url, headers={"accept-encoding": "identity"}) as client:
        yield client


@pytest.fixture
def cached(app):
    app.add_middleware(Conditional, current=current)
    app.add_middleware(HttpCache)
    with serving(app) as url, httpx.Client(base_url=url, headers={"accept-encoding": "identity"}) as client:
        yield client


def get(client, path="/pages/home", method="GET", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, path, headers=named)


def test_1_a_star_asks_whether_the_page_exists(client):
    assert get(client, if_none_match="*").status_code == 304
    assert get(client, "/pages/missing", if_none_match="*").status_code == 404
    made = [client.put("/pages/new", content=text, headers={"if-none-match": "*"}) for text in ("mine", "yours")]
    assert [response.status_code for response in made] == [204, 412]
    assert get(client, "/pages/new").text == "mine"


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        (HOME, 304),
        (f'"x", {HOME}', 304),
        (f"W/{HOME}", 304),
        (HOME.upper(), 200),
        ('"x,y"', 200),
        (HOME.strip('"'), 200),
    ],
)
def test_2_and_3_any_tag_of_a_list_matches_weakly_and_exactly(client, tags, status):
    assert get(client, if_none_match=tags).status_code == status


def test_2_several_lines_are_one_list(client):
    lines = [("if-none-match", '"x"'), ("if-none-match", HOME)]
    assert client.get("/pages/home", headers=lines).status_code == 304


def test_4_a_write_whose_condition_is_false_is_not_performed(client):
    for headers in ({"if-match": '"other"'}, {"if-match": f"W/{HOME}"}, {"if-none-match": HOME}):
        assert client.put("/pages/home", content="lost", headers=headers).status_code == 412
        assert client.delete("/pages/home", headers=headers).status_code == 412
    assert get(client).headers["etag"] == HOME
    assert client.put("/pages/home", content="new", headers={"if-match": HOME}).status_code == 204
    assert get(client).text == "new"


def test_4_of_two_who_edit_one_page_the_second_is_told(client):
    ada, bob = get(client).headers["etag"], get(client).headers["etag"]
    saved = [
        client.put("/pages/home", content=who, headers={"if-match": tag}) for who, tag in (("ada", ada), ("bob", bob))
    ]
    assert [response.status_code for response in saved] == [204, 412]
    assert get(client).text == "ada"


def test_5_if_none_match_outranks_if_modified_since(client):
    assert get(client, if_none_match='"x"', if_modified_since="Tue, 08 Nov 2050 08:49:37 GMT").status_code == 200
    assert get(client, if_match='"x"', if_none_match=HOME).status_code == 412


def test_6_a_304_carries_what_the_200_would_and_no_body(client):
    whole, short = (
        get(client, "/pages/home?control=max-age=60"),
        get(client, "/pages/home?control=max-age=60", if_none_match=HOME),
    )
    assert (short.status_code, short.content) == (304, b"")
    assert [short.headers[name] for name in ("etag", "cache-control")] == [HOME, "max-age=60"]
    assert "date" in short.headers
    assert not {"content-length", "content-type", "transfer-encoding"} & set(short.headers)
    assert whole.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/pages/missing", 404), ("/redirect", 307), ("/login", 401), ("/forbidden", 403), ("/broken", 500)],
)
def test_7_other_answers_come_first(client, path, status):
    for headers in ({}, {"if_none_match": HOME}, {"if_none_match": "*"}, {"if_match": '"x"'}):
        response = get(client, path, **headers)
        assert (response.status_code, "etag" in response.headers) == (status, False)
    assert client.delete("/pages/missing", headers={"if-match": HOME}).status_code == 404


def test_8_same_bytes_have_the_same_tag_in_every_process(client):
    code = """
import sys
from starlette.testclient import TestClient
from cachesim.patterns.conditional import Conditional
from tests.http.apps import starlette_app
app = starlette_app()
app.add_middleware(Conditional)
with TestClient(app) as client:
    sys.stdout.write(client.get("/pages/home").headers["etag"])
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == get(client).headers["etag"] == HOME


def test_8_gzip_inside_has_a_tag_of_its_own(app):
    app.add_middleware(GZipMiddleware)
    app.add_middleware(Conditional)
    with serving(app) as url, httpx.Client(base_url=url) as client:
        plain, coded = get(client, accept_encoding="identity"), get(client, accept_encoding="gzip")
        assert (plain.content, coded.headers["content-encoding"]) == (coded.content, "gzip")
        assert plain.headers["etag"] == HOME != coded.headers["etag"]
        for response, coding in ((plain, "identity"), (coded, "gzip")):
            short = get(client, accept_encoding=coding, if_none_match=response.headers["etag"])
            assert (short.status_code, short.headers["vary"]) == (304, "Accept-Encoding")


def test_8_gzip_outside_needs_weak_tags(app):
    app.add_middleware(Conditional, weak=True)
    app.add_middleware(GZipMiddleware)
    with serving(app) as url, httpx.Client(base_url=url) as client:
        assert get(client, accept_encoding="gzip").headers["etag"] == f"W/{HOME}"
        assert get(client, accept_encoding="gzip", if_none_match=f"W/{HOME}").status_code == 304


def test_9_head_decides_as_get_does(client):
    for path in ("/pages/home", "/pages/missing", "/redirect", "/login"):
        for headers in ({}, {"if_none_match": HOME}, {"if_none_match": "*"}, {"if_match": '"x"'}):
            read, head = get(client, path, **headers), get(client, path, "HEAD", **headers)
            assert (head.status_code, head.content) == (read.status_code, b"")
            for name in ("etag", "cache-control", "content-length", "location"):
                assert head.headers.get(name) == read.headers.get(name)


def test_a_stream_passes(client):
    response = get(client, "/stream")
    assert (response.text, "etag" in response.headers) == ("one two three", False)


def test_a_stream_without_end_comes_at_once_and_ends_with_its_reader(app, cached):
    with cached.stream("GET", "/ticks") as response:
        lines = response.iter_lines()
        assert [next(lines) for _ in range(3)] == ["tick"] * 3
    assert app.state.ended.wait(timeout=30)


def test_each_coding_is_cached_by_itself(app):
    app.add_middleware(GZipMiddleware)
    app.add_middleware(Conditional)
    app.add_middleware(HttpCache)
    with serving(app) as url, httpx.Client(base_url=url) as client:
        path = "/pages/home?control=max-age=60"
        responses = [get(client, path, accept_encoding=coding) for coding in ("gzip", "identity") * 2]
        assert [response.headers.get("content-encoding") for response in responses] == ["gzip", None] * 2
        assert {response.text for response in responses} == {"Welcome! " * 100}
        assert app.state.served == 2


def test_one_load_serves_all_who_ask_meanwhile(app):
    app.add_middleware(HttpCache)

    async def storm(url):
        async with httpx.AsyncClient(base_url=url) as client:
            return await asyncio.gather(*(client.get("/pages/home?control=max-age=60") for _ in range(50)))

    with serving(app) as url:
        responses = asyncio.run(storm(url))
        assert {response.text for response in responses} == {"Welcome! " * 100}
        assert app.state.served == 1


def test_10_a_hit_tells_its_age_and_a_304_comes_from_the_store(app, cached):
    path = "/pages/home?control=max-age=60"
    assert "age" not in get(cached, path).headers
    assert int(get(cached, path).headers["age"]) >= 0
    short = get(cached, path, if_none_match=HOME)
    assert (short.status_code, short.headers["etag"], short.headers["cache-control"]) == (304, HOME, "max-age=60")
    assert get(cached, path, "HEAD").headers["content-length"] == "900"
    assert app.state.served == 1


def test_10_a_write_is_seen_at_once(cached):
    path = "/pages/home?control=max-age=60"
    get(cached, path)
    assert cached.put(path, content="new", headers={"if-match": HOME}).status_code == 204
    assert get(cached, path).text == "new"


def test_11_an_error_is_no_answer_but_403_is(app, cached):
    assert [get(cached, path).status_code for path in ("/broken", "/forbidden") * 2] == [500, 403] * 2


def test_12_a_private_page_is_its_users(cached):
    users = ["ada", "bob", "ada"]
    assert [get(cached, "/private", authorization=user).json() for user in users] == [{"user": user} for user in users]


def test_the_cache_of_one_server_ends_with_it(app):
    observed = Observed(HttpCache(app))
    with serving(observed) as url:
        assert httpx.get(f"{url}/pages/home").status_code == 200
    assert observed.answers == [("GET", "/pages/home", 200)]
