"""Statement 10: how long a response is served, how old it says it is, and who asks for the next one. RFC 9111, 5861."""

import asyncio

import pytest

from tests.http.kit import Cached, Page, Site, ask, cancel, now, start

EPOCH = "Thu, 01 Jan 1970 00:00:{:02} GMT"


def site_with(control="", seconds=0.0, **headers):
    return Site({"/": Page(headers={"cache-control": control, **headers})}, seconds)


async def lifetime(site, longest=120):
    """Whole seconds for which a response is served without asking the site again."""
    cached = Cached(site)
    begin = now()
    await cached.get()
    while site.count == 1 and now() - begin < longest:
        await asyncio.sleep(1)
        await cached.get()
    return now() - begin


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"cache-control": "max-age=10"}, 10),
        ({"cache-control": "MAX-AGE=10, public"}, 10),
        ({"cache-control": "max-age=10, s-maxage=20"}, 20),
        ({"cache-control": "max-age=20, s-maxage=10"}, 10),
        ({"cache-control": "max-age=10", "expires": EPOCH.format(30)}, 10),
        ({"expires": EPOCH.format(30)}, 30),
        ({"expires": EPOCH.format(30), "date": EPOCH.format(10)}, 20),
        ({"expires": "0"}, 1),
        ({"cache-control": "max-age=10", "age": "4"}, 6),
        ({"cache-control": "max-age=soon"}, 1),
        ({"cache-control": "max-age=10, max-age=20"}, 10),
        ({"cache-control": "max-age=0"}, 1),
        ({"cache-control": "public"}, 1),
        ({"cache-control": "max-age=10, no-store"}, 1),
        ({"cache-control": "max-age=10, private"}, 1),
        ({"cache-control": 'max-age=10, private="x-user"'}, 1),
        ({"cache-control": "max-age=10, no-cache"}, 1),
        ({"cache-control": "max-age=10", "vary": "*"}, 1),
        ({"cache-control": "max-age=10", "vary": "accept, *"}, 1),
        ({"last-modified": EPOCH.format(0)}, 1),
        ({}, 1),
    ],
)
async def test_how_long_a_response_is_fresh(headers, expected):
    assert await lifetime(Site({"/": Page(headers=headers)})) == expected


@pytest.mark.parametrize("status", [200, 203, 204, 301, 308, 404, 410, 501])
async def test_any_answer_that_says_so_is_kept(status):
    assert await lifetime(Site({"/": Page(b"", status, {"cache-control": "max-age=10"})})) == 10


@pytest.mark.parametrize("status", [206, 304, 500, 502, 503, 504])
async def test_parts_and_errors_are_not_kept(status):
    assert await lifetime(Site({"/": Page(b"", status, {"cache-control": "max-age=10"})})) == 1


async def test_age_is_the_age():
    cached = Cached(site_with("max-age=10"))
    ages = []
    for _ in range(4):
        ages.append((await cached.get()).fields.get("age"))
        await asyncio.sleep(3)
    assert ages == [None, "3", "6", "9"]  # what comes from the application itself has none


async def test_age_begins_with_what_the_response_has_behind_it():
    cached = Cached(site_with("max-age=60", age="7"))
    await cached.get()
    await asyncio.sleep(2)
    assert (await cached.get()).fields.get("age") == "9"


async def test_age_counts_from_the_question_and_from_the_date():
    slow, dated = Cached(site_with("max-age=60", seconds=5)), Cached(site_with("max-age=60", date=EPOCH.format(1)))
    await slow.get()
    assert (await slow.get()).fields.get("age") == "5"
    await dated.get()  # five seconds later
    assert (await dated.get()).fields.get("age") == "4"


async def test_a_stale_response_is_served_until_ttl_plus_swr_and_not_after():
    site = site_with("max-age=10, stale-while-revalidate=5", seconds=100)
    cached = Cached(site)
    await cached.get()  # asked at 0, so it is 100 s old: stale for too long
    site.pages["/"].headers = {"cache-control": "max-age=110, stale-while-revalidate=5"}
    await cached.get()  # from 100 on
    for second in (209, 211, 214.9):
        await asyncio.sleep(second - now())
        before = now()
        assert (await cached.get()).status == 200
        assert now() == before
    assert cached.kinds("hit", "stale", "miss", "refresh") == ["miss", "miss", "hit", "stale", "refresh", "stale"]
    await asyncio.sleep(215 - now())
    late = start(cached.get())
    await asyncio.sleep(1)
    assert not late.done()  # it waits: for the refresh, which somebody asked for at 211
    await late
    assert cached.kinds()[-4:] == ["miss", "join", "loaded", "stored"]
    assert site.count == 3


async def test_the_refresh_does_not_block_and_is_one_for_all():
    site = site_with("max-age=10, stale-while-revalidate=60", seconds=0)
    cached = Cached(site)
    await cached.get()
    await asyncio.sleep(11)
    site.seconds = 5
    for _ in range(50):
        before = now()
        assert (await cached.get()).fields.get("age") == str(int(now()))
        assert now() == before
        await asyncio.sleep(0.05)
    assert site.count == 2
    await asyncio.sleep(5)
    assert (await cached.get()).fields.get("age") == "7"  # of the refreshed one, asked for at 11
    assert cached.kinds("refresh", "error") == ["refresh"]


async def test_nobody_asks_while_nobody_comes():
    site = site_with("max-age=10, stale-while-revalidate=60")
    await Cached(site).get()
    await asyncio.sleep(60)
    assert site.count == 1


@pytest.mark.parametrize(
    "control",
    [
        "max-age=10, stale-while-revalidate=60, must-revalidate",
        "max-age=10, stale-while-revalidate=60, proxy-revalidate",
        "s-maxage=10, stale-while-revalidate=60",
        "max-age=10, stale-while-revalidate=60, no-cache",
        "max-age=10, stale-while-revalidate=soon",
    ],
)
async def test_what_wins_over_stale_while_revalidate(control):
    site = site_with(control)
    cached = Cached(site)
    await cached.get()
    await asyncio.sleep(11)
    await cached.get()
    assert cached.kinds("hit", "stale", "miss") == ["miss", "miss"]


async def test_a_refresh_that_fails_prolongs_nothing():
    site = site_with("max-age=10, stale-while-revalidate=5")
    cached = Cached(site)
    await cached.get()
    site.error = OSError("no database")
    await asyncio.sleep(12)
    assert (await cached.get()).body == b"hello"
    await asyncio.sleep(1)
    assert [event.error for event in cached.events if event.kind == "error"] == [site.error]
    await asyncio.sleep(2)
    with pytest.raises(OSError, match="no database"):
        await cached.get()


async def test_a_refresh_answered_by_an_error_keeps_what_there_is():
    site = site_with("max-age=10, stale-while-revalidate=50")
    cached = Cached(site)
    await cached.get()
    site.pages["/"] = Page(b"sorry", 503)
    await asyncio.sleep(12)
    for _ in range(2):
        assert (await cached.get()).body == b"hello"
        await asyncio.sleep(1)
    assert cached.kinds("refresh", "error") == ["refresh", "error"] * 2


async def test_a_refresh_that_finds_a_private_page_ends_the_sharing():
    site = site_with("max-age=10, stale-while-revalidate=50")
    cached = Cached(site)
    await cached.get()
    site.pages["/"] = Page(b"yours", headers={"cache-control": "private"})
    await asyncio.sleep(12)
    await cached.get()
    await asyncio.sleep(1)
    assert (await cached.get()).body == b"yours"
    assert cached.kinds("error") == []


async def test_refreshes_are_bounded():
    site = Site({f"/{n}": Page(headers={"cache-control": "max-age=1, stale-while-revalidate=90"}) for n in range(5)})
    cached = Cached(site, max_refreshes=2)
    for path in site.pages:
        await cached.get(path)
    await asyncio.sleep(5)
    site.seconds = 10
    assert [(await cached.get(path)).status for path in site.pages] == [200] * 5
    await asyncio.sleep(1)
    assert site.under_way == 2
    await asyncio.sleep(20)
    await cached.get("/4")
    await asyncio.sleep(1)
    assert site.under_way == 1


async def test_aclose_waits_for_the_refresh():
    site = site_with("max-age=10, stale-while-revalidate=60")
    cached = Cached(site)
    await cached.get()
    site.seconds = 5
    await asyncio.sleep(11)
    await cached.get()
    await cached.cache.aclose()
    assert (now(), site.under_way) == (16, 0)


async def test_aclose_waits_for_what_the_application_does_after_a_refreshed_response():
    done = []

    async def app(scope, receive, send):
        await site_with("max-age=10, stale-while-revalidate=60")(scope, receive, send)
        await asyncio.sleep(5)
        done.append(now())

    cached = Cached(app)
    await cached.get()
    await asyncio.sleep(10)
    await cached.get()
    await asyncio.sleep(1)
    await cached.cache.aclose()
    assert done == [5, 20]


async def test_the_lifespan_of_the_application_ends_after_the_refreshes():
    site = site_with("max-age=10, stale-while-revalidate=60", seconds=5)
    ended = []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await site(scope, receive, send)
        else:
            ended.append(((await receive())["type"], now(), site.under_way))

    async def shutdown():
        return {"type": "lifespan.shutdown"}

    cached = Cached(app)
    await cached.get()
    await asyncio.sleep(7)
    await cached.get()
    await cached.cache({"type": "lifespan"}, shutdown, lambda message: asyncio.sleep(0))
    assert ended == [("lifespan.shutdown", 17, 0)]


async def test_a_client_that_leaves_takes_no_refresh_with_it():
    site = site_with("max-age=10, stale-while-revalidate=60")
    cached = Cached(site)
    await cached.get()
    site.seconds = 5
    await asyncio.sleep(11)
    caller = start(cached.get())
    await asyncio.sleep(0)
    await cancel(caller)
    await asyncio.sleep(6)
    assert (site.count, site.cancelled) == (2, 0)
    assert (await cached.get()).fields.get("age") == "6"


@pytest.mark.parametrize(
    ("asks", "met"),
    [
        ("no-cache", "miss"),
        ("max-age=0", "miss"),
        ("max-age=4", "miss"),
        ("max-age=5", "hit"),
        ("min-fresh=5", "miss"),
        ("min-fresh=4", "hit"),
        ("max-stale", "hit"),
        ("no-store", "hit"),
        ("only-if-cached", "hit"),
    ],
)
async def test_what_a_client_asks_of_a_fresh_response(asks, met):
    cached = Cached(site_with("max-age=10"))
    await cached.get()
    await asyncio.sleep(5)
    await cached.get(cache_control=asks)
    assert cached.kinds("hit", "stale", "miss")[1:] == [met]


@pytest.mark.parametrize(
    ("asks", "control", "met"),
    [
        ("max-stale", "max-age=10", "stale"),
        ("max-stale=5", "max-age=10", "stale"),
        ("max-stale=4", "max-age=10", "miss"),
        ("max-stale", "max-age=10, must-revalidate", "miss"),
        ("max-stale", "s-maxage=10", "miss"),
        ("max-age=60", "max-age=10, stale-while-revalidate=60", "miss"),
        ("min-fresh=1", "max-age=10, stale-while-revalidate=60", "miss"),
        ("max-age=60, max-stale=5", "max-age=10", "stale"),
    ],
)
async def test_what_a_client_asks_of_a_stale_response(asks, control, met):
    cached = Cached(site_with(control))
    await cached.get()
    await asyncio.sleep(15)
    await cached.get(cache_control=asks)
    assert cached.kinds("hit", "stale", "miss")[1:] == [met]


async def test_only_if_cached_never_asks_the_application():
    site = site_with("max-age=10")
    assert (await Cached(site).get(cache_control="only-if-cached")).status == 504
    assert site.count == 0


async def test_no_store_of_a_client_keeps_nothing_and_spoils_nothing():
    site = site_with("max-age=10")
    cached = Cached(site)
    await cached.get(cache_control="no-store")
    await cached.get()
    await cached.get(cache_control="no-store, no-cache")
    await cached.get()
    assert cached.kinds("hit", "miss") == ["miss", "miss", "miss", "hit"]


async def test_a_reload_renews_the_response_for_all():
    site = site_with("max-age=10")
    cached = Cached(site)
    await cached.get()
    site.pages["/"] = Page(b"new", headers={"cache-control": "max-age=10"})
    assert (await cached.get(cache_control="no-cache")).body == b"new"
    assert (await cached.get()).body == b"new"


async def test_the_wall_clock_is_the_default():
    from cachesim.patterns.http_cache import HttpCache

    cache = HttpCache(site_with("max-age=10000"))
    await ask(cache)
    assert (await ask(cache)).fields.get("age") == "0"
