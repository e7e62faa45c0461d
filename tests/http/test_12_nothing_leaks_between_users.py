"""Statement 12: what is private, or varies, or was authorized, or sets a cookie, is never served to another user."""

import asyncio
from itertools import permutations

import pytest

from tests.http.kit import Cached, Page, Site, start


class Personal:
    """An application that answers each user, told by a header, with their own page."""

    def __init__(self, header="cookie", seconds=1.0, **headers):
        self.header, self.seconds, self.headers, self.count = header, seconds, headers, 0

    async def __call__(self, scope, receive, send):
        self.count += 1
        user = dict(scope["headers"]).get(self.header.encode(), b"nobody").decode()
        await asyncio.sleep(self.seconds)
        headers = {name.replace("_", "-"): value.format(user=user) for name, value in self.headers.items()}
        await Page(f"for {user}".encode(), headers=headers).send(send, without_body=False)


USERS = ["ada", "bob", "cleo"]
LEAVES = {
    "private": {"cache_control": "private, max-age=60"},
    "private, with a validator": {"cache_control": "private, max-age=60", "etag": '"{user}"'},
    "no-store": {"cache_control": "no-store, max-age=60"},
    "Vary": {"cache_control": "max-age=60", "vary": "Cookie"},
    "Vary: *": {"cache_control": "max-age=60", "vary": "*"},
    "Set-Cookie": {"cache_control": "max-age=60", "set_cookie": "session={user}"},
    "nothing said": {},
}


@pytest.mark.parametrize("headers", LEAVES.values(), ids=LEAVES)
@pytest.mark.parametrize("seconds", [0, 1], ids=["at once", "slowly"])
async def test_everybody_gets_their_own_page(headers, seconds):
    for users in permutations([*USERS, "ada"]):
        cached = Cached(Personal(seconds=seconds, **headers))
        callers = [start(cached.get(cookie=user)) for user in users]  # while the first is under way
        for user, caller in zip(users, callers, strict=True):
            assert (await caller).body == f"for {user}".encode()
        for user in users:  # and one after another
            assert (await cached.get(cookie=user)).body == f"for {user}".encode()


@pytest.mark.parametrize(
    ("control", "shared"),
    [
        ("max-age=60", False),
        ("max-age=60, private", False),
        ("max-age=60, public", True),
        ("max-age=60, must-revalidate", True),
        ("s-maxage=60", True),
    ],
)
async def test_an_authorized_response_is_shared_only_if_it_says_so(control, shared):
    for seconds in (0, 1):
        site = Personal("authorization", seconds, cache_control=control)
        cached = Cached(site)
        callers = [start(cached.get(authorization=user)) for user in USERS]
        bodies = [(await caller).body.decode() for caller in callers]
        assert bodies == (["for ada"] * 3 if shared else [f"for {user}" for user in USERS])
        assert site.count == (1 if shared else 3)


async def test_who_is_nobody_is_not_served_what_somebody_was_authorized_to():
    cached = Cached(Personal("authorization", 0, cache_control="max-age=60"))
    await cached.get(authorization="ada")
    assert (await cached.get()).body == b"for nobody"


async def test_a_cookie_is_set_for_all_only_if_the_response_is_public():
    site = Personal("cookie", 0, cache_control="public, max-age=60", set_cookie="theme=dark")
    cached = Cached(site)
    assert [(await cached.get(cookie=user)).fields.get("set-cookie") for user in USERS] == ["theme=dark"] * 3
    assert site.count == 1


async def test_a_cookie_set_by_a_304_is_for_who_asked():
    page = Page(headers={"cache-control": "max-age=10", "etag": '"1"'})
    site = Site({"/": page})
    cached = Cached(site)
    await cached.get()
    await asyncio.sleep(11)
    site.seconds = 1
    site.pages["/"] = Page(b"", 304, {"etag": '"1"', "cache-control": "max-age=10", "set-cookie": "session=ada"})
    ada, bob = start(cached.get()), start(cached.get())
    assert (await ada).fields.get("set-cookie") == "session=ada"
    site.pages["/"] = page
    assert "set-cookie" not in (await bob).fields
    assert "set-cookie" not in (await cached.get()).fields


async def test_a_response_is_served_to_requests_with_the_same_fields_only():
    site = Personal("accept-language", 0, cache_control="max-age=60", vary="Accept-Language, Accept")
    cached = Cached(site)
    for _ in range(2):
        for language in ("en", "fr", "EN"):
            assert (await cached.get(accept_language=language)).body == f"for {language}".encode()
    assert site.count == 3
    await cached.get(accept_language="en", accept="text/html")
    await cached.get()
    assert site.count == 5


async def test_one_load_serves_those_who_ask_alike():
    site = Personal("accept-language", 1, cache_control="max-age=60", vary="Accept-Language")
    cached = Cached(site)
    callers = [start(cached.get(accept_language=language)) for language in ("en", "fr", "en", "fr", "fr")]
    bodies = [(await caller).body.decode() for caller in callers]
    assert bodies == ["for en", "for fr", "for en", "for fr", "for fr"]
    assert site.count == 2


async def test_what_varies_may_change():
    site = Personal("accept", 0, cache_control="max-age=5")
    cached = Cached(site)
    await cached.get(accept="a")
    site.headers = {"cache_control": "max-age=60", "vary": "accept"}
    await asyncio.sleep(6)
    assert [(await cached.get(accept=kind)).body for kind in "aba"] == [b"for a", b"for b", b"for a"]
    assert site.count == 3


async def test_who_waited_in_vain_twice_asks_for_themselves():
    async def fickle(scope, receive, send):
        """Varies by language, but in French also by user."""
        fields = dict(scope["headers"])
        await asyncio.sleep(1)
        vary = "cookie" if fields[b"accept-language"] == b"fr" else "accept-language"
        headers = {"cache-control": "max-age=60", "vary": vary}
        await Page(b"for " + fields[b"cookie"], headers=headers).send(send, without_body=False)

    cached = Cached(fickle)
    callers = [start(cached.get(cookie=user, accept_language="en" if user == "ada" else "fr")) for user in USERS]
    assert [(await caller).body.decode() for caller in callers] == [f"for {user}" for user in USERS]


async def test_an_authorized_answer_does_not_end_what_is_shared_by_others():
    site = Site({"/": Page(headers={"cache-control": "max-age=10", "etag": '"1"'})})
    cached = Cached(site)
    await cached.get()
    await asyncio.sleep(11)
    await cached.get(authorization="ada")
    await cached.get()
    assert site.calls[-1][2].get("if-none-match") == '"1"'


async def test_a_page_that_turns_private_is_forgotten():
    site = Site({"/": Page(headers={"cache-control": "max-age=60"})})
    cached = Cached(site)
    await cached.get()
    site.pages["/"] = Page(b"yours", headers={"cache-control": "private"})
    await cached.get(cache_control="no-cache")
    site.pages["/"] = Page(b"mine", headers={"cache-control": "private"})
    assert (await cached.get()).body == b"mine"


async def test_hosts_and_queries_and_schemes_are_told_apart():
    site = Personal("host", 0, cache_control="max-age=60")
    cached = Cached(site)
    assert [(await cached.get("/?a", host=host)).body for host in ("x", "y", "X")] == [b"for x", b"for y", b"for x"]
    await cached.get("/?b", host="x")
    await cached.get("/", host="x")
    assert site.count == 4


async def test_fields_of_the_connection_are_not_kept():
    own = {
        "connection": "keep-alive, X-Hop",
        "keep-alive": "5",
        "x-hop": "1",
        "x-end": "2",
        "cache-control": "max-age=9",
    }
    cached = Cached(Site({"/": Page(headers=own)}))
    await cached.get()
    names = {name for name, _ in (await cached.get()).fields}
    assert names == {"x-end", "cache-control", "content-length", "age"}
