"""The shared cache: single flight, validation, invalidation, bounds, and what goes past it."""

import asyncio
import gc

import pytest

from cachesim.patterns.conditional import Conditional, etag
from tests.http.kit import Cached, Client, Page, Site, ask, cancel, now, start
from tests.http.statements import MONDAY, TUESDAY

KEPT = {"cache-control": "max-age=60"}


def site_of(*paths, seconds=0.0, **headers):
    return Site({path: Page(headers=KEPT | headers) for path in paths or ("/",)}, seconds)


# ── Single flight ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_load_serves_all_who_ask_meanwhile():
    site = site_of(seconds=1)
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(100)]
    assert [(await caller).body for caller in callers] == [b"hello"] * 100
    assert (site.count, now()) == (1, 1)
    assert [len(cached.kinds(kind)) for kind in ("miss", "join", "load")] == [100, 99, 1]


@pytest.mark.parametrize("leaver", [0, 1, 2], ids=["the leader", "a follower", "the last follower"])
async def test_who_leaves_leaves_alone(leaver):
    site = site_of(seconds=1)
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(3)]
    await asyncio.sleep(0.5)
    await cancel(callers.pop(leaver))
    assert now() == 0.5
    assert [(await caller).body for caller in callers] == [b"hello"] * 2
    assert (site.count, site.cancelled) == (1, 0)
    assert (await cached.get()).fields.get("age") == "1"


async def test_the_load_is_cancelled_when_the_last_one_leaves():
    site = site_of(seconds=1)
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(3)]
    await asyncio.sleep(0.5)
    await cancel(*callers)
    await asyncio.sleep(0.1)
    assert (site.cancelled, site.under_way) == (1, 0)
    assert (await cached.get()).body == b"hello"


async def test_a_client_that_disconnects_does_not_end_the_load_of_others():
    heard = []

    async def app(scope, receive, send):
        async def listen():
            while (message := await receive())["type"] != "http.disconnect":
                pass
            heard.append(message["type"])

        listener = start(listen())
        await asyncio.sleep(1)
        await Page(headers=KEPT).send(send, without_body=False)
        await listener

    cached = Cached(app)
    client = Client(cached.cache)
    leader, follower = start(client.ask()), start(cached.get())
    await asyncio.sleep(0.5)
    client.gone.set()
    assert [(await leader).body, (await follower).body] == [b"hello", b"hello"]
    assert heard == ["http.disconnect"]  # only when the response is whole, as servers do


@pytest.mark.parametrize("turn", range(8))
async def test_leaving_at_the_instant_of_the_answer_harms_nobody(turn):
    site = site_of(seconds=1)
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(3)]
    await asyncio.sleep(1)
    for _ in range(turn):
        await asyncio.sleep(0)
    await cancel(callers[0])
    assert [(await caller).body for caller in callers[1:]] == [b"hello"] * 2


async def test_the_tables_are_empty_when_nothing_is_under_way():
    site = site_of("/a", "/b", seconds=1)
    site.pages["/c"] = Page(headers={"cache-control": "private"})
    cached = Cached(site)
    await asyncio.gather(*(cached.get(path) for path in ("/a", "/b", "/c", "/a", "/d")))
    caller = start(cached.get("/e"))
    await asyncio.sleep(0.5)
    await cancel(caller)
    await asyncio.sleep(0.1)
    assert (len(cached.cache._flights), cached.cache._exchanges, cached.cache._flights.in_background) == (0, {}, 0)


async def test_a_load_is_not_collected_in_mid_flight():
    site = site_of(seconds=1)
    caller = start(Cached(site).get())
    await asyncio.sleep(0.5)
    gc.collect()
    assert (await caller).body == b"hello"


@pytest.mark.parametrize("control", ["private", "no-cache", "max-age=0", "no-store"])
async def test_nobody_waits_for_what_is_not_shared(control):
    site = Site({"/": Page(headers={"cache-control": control})}, seconds=1)
    cached = Cached(site)
    await cached.get()
    callers = [start(cached.get()) for _ in range(5)]
    await asyncio.wait(callers)
    assert now() == 2  # not 3: the second of each is not spent on waiting for a leader
    assert site.count == 6


async def test_what_must_be_validated_is_validated_for_each():
    site = Site({"/": Page(headers={"cache-control": "no-cache", "etag": '"1"'})}, seconds=1)
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(3)]
    await asyncio.wait(callers)
    assert site.count == 3


@pytest.mark.parametrize("first", ["max-age=60", "no-store"])
@pytest.mark.parametrize("second", ["max-age=60", "no-store", "no-cache"])
async def test_who_wants_an_answer_of_their_own_neither_joins_nor_is_joined(first, second):
    site = site_of(seconds=1)
    cached = Cached(site)
    leader = start(cached.get(cache_control=first))
    await asyncio.sleep(0.5)
    follower = start(cached.get(cache_control=second))
    await asyncio.wait([leader, follower])
    assert (site.count, now()) == ((1, 1) if first == second == "max-age=60" else (2, 1.5))


async def test_an_application_that_ignores_its_cancellation_leaves_nothing_behind():
    async def stubborn(scope, receive, send):
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        await Page(headers=KEPT).send(send, without_body=False)

    cached = Cached(stubborn)
    caller = start(cached.get())
    await asyncio.sleep(0.5)
    await cancel(caller)
    await asyncio.sleep(2)
    assert cached.kinds() == ["miss", "load"]


async def test_an_application_that_waits_for_its_clients_end_hears_of_it_after_the_response():
    async def app(scope, receive, send):
        assert (await receive())["type"] == "http.request"
        await Page(headers=KEPT).send(send, without_body=False)
        assert (await receive())["type"] == "http.disconnect"

    assert (await Cached(app).get()).body == b"hello"


async def test_an_application_that_raises_cancelled_error_cancels_nobody():
    site = site_of(seconds=1)
    site.error = asyncio.CancelledError()
    cached = Cached(site)
    callers = [start(cached.get()) for _ in range(3)]
    await asyncio.wait(callers)
    assert [type(caller.exception()) for caller in callers] == [RuntimeError] * 3


async def test_an_application_that_answers_nothing_is_an_error():
    async def app(scope, receive, send):
        pass

    with pytest.raises(RuntimeError, match=r"the application has not answered http://example\.org/"):
        await Cached(app).get()


async def test_what_an_application_does_after_its_response_holds_nobody_up_and_is_done():
    done = []

    async def app(scope, receive, send):
        await Page(headers=KEPT).send(send, without_body=False)
        await asyncio.sleep(10)
        done.append(now())

    cached = Cached(app)
    client = Client(cached.cache)
    caller = start(client.ask())
    await asyncio.sleep(1)
    assert client.response().body == b"hello"
    assert (await cached.get()).fields.get("age") == "1"
    await caller
    assert done == [10]


async def test_a_failure_after_the_response_propagates_and_is_told():
    async def app(scope, receive, send):
        await Page(headers=KEPT).send(send, without_body=False)
        raise ValueError("afterwards")

    cached = Cached(app)
    with pytest.raises(ValueError, match="afterwards"):
        await cached.get()
    assert (await cached.get()).body == b"hello"
    assert cached.kinds("error") == ["error"]


# ── What passes as it comes ───────────────────────────────────────────────────────────────────────────────────────────


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        await asyncio.sleep(1)


async def test_a_stream_passes_as_it_comes_and_ends_with_its_reader():
    cached = Cached(stream)
    clients = [Client(cached.cache) for _ in range(2)]
    readers = [start(client.ask()) for client in clients]
    await asyncio.sleep(2.5)
    assert [len(client.messages) for client in clients] == [4, 4]  # each has its own
    await cancel(*readers)
    await asyncio.sleep(0)
    assert cached.cache._exchanges == {}


async def test_a_stream_hears_that_its_reader_has_gone():
    async def polite(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"bye"})

    client = Client(Cached(polite).cache)
    reader = start(client.ask())
    await asyncio.sleep(1)
    client.gone.set()
    assert (await reader).body == b"bye"


async def test_when_the_leader_of_a_stream_has_left_followers_get_their_own():
    async def late(scope, receive, send):
        await asyncio.sleep(1)
        await stream(scope, receive, send)

    cached = Cached(late)
    clients = [Client(cached.cache) for _ in range(2)]
    leader, follower = [start(client.ask()) for client in clients]
    await asyncio.sleep(0.5)
    await cancel(leader)
    await asyncio.sleep(3)
    assert len(clients[1].messages) == 3  # asked again at 1, it begins at 2
    assert len(cached.cache._exchanges) == 1
    await cancel(follower)


@pytest.mark.parametrize("turn", range(8))
async def test_leaving_at_the_instant_a_stream_begins_ends_it(turn):
    async def one_tick(scope, receive, send):
        await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    cached = Cached(one_tick)
    reader = start(cached.get())
    await asyncio.sleep(1)
    for _ in range(turn):
        await asyncio.sleep(0)
    await cancel(reader)
    await asyncio.sleep(1)
    assert cached.cache._exchanges == {}


async def test_a_flood_that_nobody_reads_any_more_is_stopped():
    calls = []

    async def flood(scope, receive, send):
        calls.append(scope)
        await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2 if len(calls) > 1 else 1_000_000):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        assert len(calls) > 1, "nobody has stopped it"
        await send({"type": "http.response.body", "body": b""})

    cached = Cached(flood)
    leader, follower = start(cached.get()), start(cached.get())
    await asyncio.sleep(0.5)
    await cancel(leader)
    assert (await follower).body == b"xx"
    assert cached.kinds("error") == []


async def test_a_response_longer_than_the_largest_passes_whole_and_is_not_kept():
    site = Site({"/": Page(b"12345", headers=KEPT), "/parts": Page(headers=KEPT, parts=[b"123", b"456"])})
    cached = Cached(site, largest=4)
    for _ in range(2):
        assert [(await cached.get(path)).body for path in ("/", "/parts")] == [b"12345", b"123456"]
    assert site.count == 4


async def test_what_is_not_kept_is_still_answered_by_304():
    site = Site({"/": Page(headers={"cache-control": "private", "etag": '"1"'})})
    cached = Cached(site)
    response = await cached.get(if_none_match='"1"')
    assert (response.status, response.body, response.fields.get("etag")) == (304, b"", '"1"')


@pytest.mark.parametrize(
    "headers", [{"range": "bytes=0-1"}, {"if_match": '"1"'}, {"if_unmodified_since": MONDAY}, {"content_length": "5"}]
)
async def test_what_is_not_for_a_cache_goes_past_it(headers):
    site = site_of()
    cached = Cached(site)
    for _ in range(2):
        await cached.get(**headers)
    assert (site.count, cached.events) == (2, [])
    assert {name.replace("_", "-") for name in headers} <= {name for name, _ in site.calls[-1][2]}


@pytest.mark.parametrize("kind", ["websocket"])
async def test_other_scopes_pass(kind):
    calls = []

    async def app(scope, receive, send):
        calls.append((scope, receive, send))

    scope, ends = {"type": kind}, (object(), object())
    await Cached(app).cache(scope, *ends)  # type: ignore[arg-type]
    assert calls == [(scope, *ends)]


# ── HEAD, conditions and validation ───────────────────────────────────────────────────────────────────────────────────


async def test_head_is_served_from_what_a_get_has_left_and_the_other_way_round():
    for first, second in (("GET", "HEAD"), ("HEAD", "GET")):
        site = site_of()
        cached = Cached(site)
        await cached.ask(first)
        response = await cached.ask(second)
        assert (response.status, response.body) == (200, b"hello" if second == "GET" else b"")
        assert response.fields.get("content-length") == "5"
        assert [method for method, _, _ in site.calls] == ["GET"]


async def test_a_condition_of_a_client_is_answered_from_the_store():
    site = site_of()
    cached = Cached(Conditional(site))
    tag = (await cached.get()).fields.get("etag") or ""
    assert tag == etag(b"hello")
    await asyncio.sleep(5)
    short = await cached.get(if_none_match=f'"other", {tag}')
    assert (short.status, short.body, short.fields.get("age")) == (304, b"", "5")
    assert [short.fields.get(name) for name in ("etag", "cache-control")] == [tag, "max-age=60"]
    assert (await cached.get(if_none_match='"other"')).status == 200
    assert site.count == 1


async def test_a_condition_of_a_client_on_a_miss_is_not_the_applications():
    site = site_of()
    cached = Cached(Conditional(site))
    assert (await cached.get(if_none_match=etag(b"hello"))).status == 304
    assert (await cached.get()).body == b"hello"  # and the whole was kept
    assert site.count == 1


async def test_dates_are_conditions_too():
    cached = Cached(site_of(**{"last-modified": MONDAY}))
    assert (await cached.get(if_modified_since=TUESDAY)).status == 304
    assert (await cached.get(if_modified_since=TUESDAY)).status == 304


async def test_a_stale_response_is_validated_and_renewed():
    site = site_of()
    site.pages["/"].headers = {"cache-control": "max-age=10", "x-old": "1", "vary": "accept"}
    cached = Cached(Conditional(site))
    await cached.get()
    site.pages["/"].headers = {"cache-control": "max-age=20", "x-new": "1", "vary": "accept"}
    await asyncio.sleep(15)
    response = await cached.get()
    assert (response.status, response.body) == (200, b"hello")
    assert "age" not in response.fields  # validated for this very request
    assert site.calls[-1][2].get("if-none-match") == etag(b"hello")
    await asyncio.sleep(19)
    response = await cached.get()
    assert (response.fields.get("age"), response.body, site.count) == ("19", b"hello", 2)
    assert [response.fields.get(name) for name in ("cache-control", "x-old", "x-new", "content-length")] == [
        "max-age=20",
        "1",
        "1",
        "5",
    ]


async def test_validation_that_finds_a_change_brings_the_new_page():
    site = site_of()
    cached = Cached(Conditional(site))
    await cached.get()
    site.pages["/"] = Page(b"new", headers=KEPT)
    await asyncio.sleep(61)
    assert (await cached.get()).body == b"new"
    assert (await cached.get()).body == b"new"
    assert site.count == 2


async def test_a_page_without_a_tag_is_validated_by_its_date():
    page = Page(headers=KEPT | {"last-modified": MONDAY})
    site = Site({"/": page})
    cached = Cached(site)
    await cached.get()
    await asyncio.sleep(61)
    site.pages["/"] = Page(b"", 304, KEPT)
    assert (await cached.get()).body == b"hello"
    assert site.calls[-1][2].get("if-modified-since") == MONDAY


async def test_a_validation_serves_all_who_wait_for_it():
    site = site_of()
    cached = Cached(Conditional(site))
    await cached.get()
    await asyncio.sleep(61)
    site.seconds = 1
    callers = [start(cached.get()) for _ in range(10)]
    assert [(await caller).body for caller in callers] == [b"hello"] * 10
    assert site.count == 2


async def test_a_304_does_not_change_what_describes_the_body():
    site = Site({"/": Page(headers=KEPT | {"etag": '"1"', "content-type": "text/plain"})})
    cached = Cached(site)
    await cached.get()
    await asyncio.sleep(61)
    site.pages["/"] = Page(b"", 304, KEPT | {"content-length": "0", "content-type": "x", "content-encoding": "br"})
    fields = (await cached.get()).fields
    assert [fields.get(name) for name in ("content-length", "content-type", "content-encoding")] == [
        "5",
        "text/plain",
        None,
    ]


async def test_a_clock_set_back_makes_nobody_younger_than_new():
    times = [1000.0]
    cached = Cached(site_of(), clock=lambda: times[0])
    await cached.get()
    times[0] = 900.0
    assert (await cached.get()).fields.get("age") == "0"


async def test_a_date_of_old_does_not_make_a_renewed_response_old():
    page = Page(headers={"cache-control": "max-age=10", "etag": '"1"', "date": "Thu, 01 Jan 1970 00:00:00 GMT"})
    site = Site({"/": page})
    cached = Cached(site)
    await cached.get()
    await asyncio.sleep(15)
    site.pages["/"] = Page(b"", 304, {"etag": '"1"'})
    await cached.get()
    await asyncio.sleep(9)
    assert (await cached.get()).fields.get("age") == "9"


# ── Invalidation ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PURGE"])
async def test_a_method_that_succeeds_forgets_the_page(method):
    cached = Cached(site_of())
    await cached.get()
    await cached.ask(method, body="new")
    await cached.get()
    assert cached.kinds("hit", "miss", "deleted") == ["miss", "deleted", "miss"]


@pytest.mark.parametrize("status", [400, 404, 412, 500])
async def test_a_method_that_fails_forgets_nothing(status):
    async def app(scope, receive, send):
        page = Page(headers=KEPT) if scope["method"] == "GET" else Page(status=status)
        await page.send(send, without_body=False)

    cached = Cached(app)
    await cached.get()
    await cached.ask("PUT", body="new")
    await cached.get()
    assert cached.kinds("hit", "miss", "deleted") == ["miss", "hit"]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
async def test_a_safe_method_forgets_nothing(method):
    cached = Cached(site_of())
    await cached.get()
    await cached.ask(method)
    assert "deleted" not in cached.kinds()


@pytest.mark.parametrize("seconds", range(4))
async def test_a_load_begun_before_a_write_leaves_nothing_behind(seconds):
    site = site_of(seconds=2)
    cached = Cached(site)
    slow = start(cached.get())
    await asyncio.sleep(seconds / 2)
    site.seconds = 0
    await cached.ask("PUT", body="new")
    site.pages["/"].headers = KEPT
    newcomer = start(cached.get())
    assert (await newcomer).body == b"new"
    await slow
    assert (await cached.get()).body == b"new"


async def test_all_variants_are_forgotten():
    site = site_of(vary="accept")
    cached = Cached(site)
    for accept in "ab":
        await cached.get(accept=accept)
    await cached.ask("DELETE")
    for accept in "ab":
        assert (await cached.get(accept=accept)).status == 404


async def test_pages_that_a_response_names_are_forgotten_on_the_same_host_only():
    async def app(scope, receive, send):
        if scope["method"] == "GET":
            await Page(headers=KEPT).send(send, without_body=False)
        else:
            named = {"location": "/list", "content-location": "http://other.org/item"}
            await Page(b"", 201, named).send(send, without_body=False)

    cached = Cached(app)
    await cached.get("/list")
    await cached.get("/item", host="other.org")
    await cached.ask("POST", "/")
    assert [event.key for event in cached.events if event.kind == "deleted"] == ["http://example.org/list"]


# ── Bounds ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_number_of_urls_is_bounded_and_the_least_recently_used_goes_first():
    site = site_of("/a", "/b", "/c")
    cached = Cached(site, max_entries=2)
    for path in ("/a", "/b", "/a", "/c", "/a", "/b"):
        await cached.get(path)
    assert cached.kinds("hit", "miss") == ["miss", "miss", "hit", "miss", "hit", "miss"]


async def test_the_bytes_are_bounded():
    site = Site({f"/{n}": Page(b"x" * 1000, headers=KEPT) for n in range(20)})
    cached = Cached(site, max_bytes=5000)
    for path in site.pages:
        await cached.get(path)
        assert sum(resource.size for resource in cached.cache._resources.values()) <= 5000
    await cached.get("/19")
    assert cached.kinds()[-1] == "hit"


async def test_a_response_larger_than_the_cache_is_served_and_not_kept():
    site = Site({"/": Page(b"x" * 1000, headers=KEPT)})
    cached = Cached(site, max_bytes=500)
    assert [(await cached.get()).body, (await cached.get()).body] == [b"x" * 1000] * 2
    assert site.count == 2


async def test_the_variants_of_a_url_are_bounded():
    site = site_of(vary="user-agent")
    cached = Cached(site)
    for n in range(1000):
        await cached.get(user_agent=str(n))
    assert [len(resource.variants) for resource in cached.cache._resources.values()] == [8]
    await cached.get(user_agent="999")
    assert site.count == 1000


async def test_a_renewed_variant_takes_no_room_from_the_others():
    site = site_of(vary="user-agent")
    cached = Cached(site)
    await cached.get(user_agent="rare")
    for _ in range(10):
        await cached.get(user_agent="eager", cache_control="no-cache")
    await cached.get(user_agent="rare")
    assert cached.kinds()[-1] == "hit"


async def test_an_observer_is_told_the_kinds_it_names():
    class Observer:
        kinds = frozenset({"hit"})

        def __init__(self):
            self.events = []

        def __call__(self, event):
            self.events.append(event.kind)

    observer = Observer()
    cached = Cached(site_of(), observe=observer)
    await cached.get()
    await cached.get()
    assert observer.events == ["hit"]


async def test_without_an_observer_it_works_as_well():
    site = site_of()
    cache = Cached(site, observe=None).cache
    await ask(cache)
    await ask(cache)
    assert site.count == 1
