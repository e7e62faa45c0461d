"""Statement 11: stale-if-error covers 500, 502, 503, 504 and an application that raises; other statuses are answers."""

import asyncio

import pytest

from tests.http.kit import Cached, Page, Site, now, start

CONTROL = {"cache-control": "max-age=10, stale-if-error=60"}


async def gone_stale(site, **options):
    cached = Cached(site, **options)
    await cached.get()
    await asyncio.sleep(20)
    return cached


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_error_is_bridged(status):
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site)
    site.pages["/"] = Page(b"sorry", status)
    response = await cached.get()
    assert (response.status, response.body, response.fields.get("age")) == (200, b"hello", "20")
    assert cached.kinds()[-4:] == ["miss", "load", "error", "stale"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 501])
async def test_what_is_an_answer_is_told(status):
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site)
    site.pages["/"] = Page(b"no", status)
    assert (await cached.get()).status == status


async def test_an_application_that_raises_is_bridged():
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site)
    site.error = ConnectionError("no database")
    assert (await cached.get()).body == b"hello"


@pytest.mark.parametrize("failure", [Page(b"sorry", 503), None])
async def test_it_ends_with_its_time(failure):
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site)
    if failure is None:
        site.error = ConnectionError("no database")
    else:
        site.pages["/"] = failure
    await asyncio.sleep(69 - now())
    assert (await cached.get()).status == 200
    await asyncio.sleep(70 - now())
    if failure is None:
        with pytest.raises(ConnectionError, match="no database"):
            await cached.get()
    else:
        assert (await cached.get()).body == b"sorry"


@pytest.mark.parametrize(
    "control",
    [
        "max-age=10",
        "max-age=10, stale-if-error=60, must-revalidate",
        "max-age=10, stale-if-error=60, proxy-revalidate",
        "s-maxage=10, stale-if-error=60",
        "no-cache, stale-if-error=60",
    ],
)
async def test_without_leave_an_error_is_told(control):
    site = Site({"/": Page(headers={"cache-control": control})})
    cached = await gone_stale(site)
    site.pages["/"] = Page(b"sorry", 503)
    assert (await cached.get()).body == b"sorry"


async def test_who_wants_no_stale_response_gets_the_error():
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site)
    site.pages["/"] = Page(b"sorry", 503)
    assert (await cached.get(cache_control="no-cache")).body == b"sorry"


async def test_the_application_recovers_by_itself():
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site)
    site.error = ConnectionError("no database")
    await cached.get()
    site.error, site.pages["/"] = None, Page(b"back", headers=CONTROL)
    assert (await cached.get()).body == b"back"


@pytest.mark.parametrize("failure", [Page(b"sorry", 503), None])
async def test_one_failure_is_told_to_all_who_wait_and_none_tries_again(failure):
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site)
    site.seconds = 1
    if failure is None:
        site.error = ConnectionError("no database")
    else:
        site.pages["/"] = failure
    callers = [start(cached.get()) for _ in range(20)]
    assert [(await caller).body for caller in callers] == [b"hello"] * 20
    assert site.count == 2


async def test_an_error_too_long_to_hold_passes_to_who_asked():
    site = Site({"/": Page(headers=CONTROL)})
    cached = await gone_stale(site, largest=10)
    site.pages["/"] = Page(b"sorry" * 10, 503)
    assert (await cached.get()).body == b"sorry" * 10


async def test_without_a_stored_response_a_failure_reaches_all_who_wait():
    site = Site(seconds=1)
    site.error = ConnectionError("no database")
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(20)]
    await asyncio.wait(callers)
    assert [caller.exception() for caller in callers] == [site.error] * 20
    assert site.count == 1


async def test_without_a_stored_response_an_answered_error_is_its_askers_alone():
    site = Site({"/": Page(b"sorry, ada", 503)}, seconds=1)  # it may tell what is not for others
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(3)]
    assert [(await caller).status for caller in callers] == [503] * 3
    assert (site.count, now()) == (3, 2)
