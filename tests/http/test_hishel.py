"""hishel, a client with a private cache of its own, validates what it keeps and gets its 304s."""

import hishel
import httpx
import pytest
from hishel.httpx import CacheTransport

from cachesim.patterns.conditional import Conditional
from cachesim.patterns.http_cache import HttpCache
from cachesim.pitfalls import conditional as pitfall
from tests.http.apps import fastapi_app, starlette_app
from tests.http.server import Observed, serving


@pytest.fixture(params=[starlette_app, fastapi_app], ids=["starlette", "fastapi"])
def app(request):
    return request.param()


@pytest.fixture
def client(tmp_path):
    storage = hishel.SqliteStorage(database_path=tmp_path / "hishel.db")
    transport = CacheTransport(httpx.HTTPTransport(), storage, rfc=hishel.CacheOptions(shared=False))
    with httpx.Client(transport=transport) as client:
        yield client


def test_it_validates_and_gets_its_304(app, client):
    app.add_middleware(Conditional)
    observed = Observed(app)
    with serving(observed) as url:
        responses = [client.get(f"{url}/pages/home") for _ in range(5)]
    assert [status for _, _, status in observed.answers] == [200, 304, 304, 304, 304]
    assert {(response.status_code, response.text) for response in responses} == {(200, "Welcome! " * 100)}
    assert [response.extensions["caching"]["revalidated"] for response in responses] == [False, True, True, True, True]


def test_it_is_told_when_the_page_has_changed(app, client):
    app.add_middleware(Conditional)
    observed = Observed(app)
    with serving(observed) as url:
        texts = [client.get(f"{url}/pages/home").text]
        httpx.put(f"{url}/pages/home", content="new")  # by somebody else
        texts += [client.get(f"{url}/pages/home").text for _ in range(4)]
    assert texts == ["Welcome! " * 100, "new", "new", "new", "new"]
    statuses = [status for method, _, status in observed.answers if method == "GET"]
    assert (statuses[:2], statuses[-1]) == ([200, 200], 304)  # hishel may send the tag of the old page for a while


def test_it_does_not_ask_while_the_page_is_fresh(app, client):
    app.add_middleware(Conditional)
    observed = Observed(app)
    with serving(observed) as url:
        for _ in range(5):
            assert client.get(f"{url}/pages/home?control=max-age=60").status_code == 200
    assert observed.answers == [("GET", "/pages/home", 200)]


def test_a_shared_cache_answers_its_validation_without_the_application(app, client):
    app.add_middleware(Conditional)
    app.add_middleware(HttpCache)
    observed = Observed(app)
    with serving(observed) as url:
        texts = {client.get(f"{url}/pages/home?control=s-maxage=60,max-age=0").text for _ in range(5)}
        served = app.state.served
    assert texts == {"Welcome! " * 100}
    assert [status for _, _, status in observed.answers] == [200, 304, 304, 304, 304]
    assert served == 1


def test_the_tutorials_bare_304_costs_a_client_its_lifetime(client):
    """A 304 without Cache-Control and ETag cannot renew anything: seen in what the server sends."""
    app = starlette_app()
    app.add_middleware(pitfall.Conditional)
    with serving(app) as url:
        tag = httpx.get(f"{url}/pages/home?control=max-age=60").headers["etag"]
        short = httpx.get(f"{url}/pages/home?control=max-age=60", headers={"if-none-match": tag})
    assert short.status_code == 304
    assert not {"etag", "cache-control"} & set(short.headers)
