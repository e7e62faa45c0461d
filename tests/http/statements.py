"""Statements 1 to 9 on conditional requests, each as checks of any middleware of that shape. Source: RFC 9110.

A check takes `wrap(site, current)`, which puts the middleware in front of a site; `current` tells the validators of the
resource that a request asks for. It raises `AssertionError` if the statement does not hold.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable

from cachesim.patterns.conditional import Validators, etag
from cachesim.patterns.http_messages import App, Message, Receive, Scope, Send
from tests.http.kit import Page, Site, ask

Current = Callable[[Scope], Awaitable[Validators | None]]
Wrap = Callable[[App, Current], App]
Check = Callable[[Wrap], Awaitable[None]]

CHECKS: dict[str, Check] = {}
SUNDAY, MONDAY, TUESDAY = (
    f"{day} GMT" for day in ("Sun, 06 Nov 1994 08:49:37", "Mon, 07 Nov 1994 08:49:37", "Tue, 08 Nov 1994 08:49:37")
)


def statement(name: str) -> Callable[[Check], Check]:
    """Name a check by the statement it is about."""

    def add(check: Check) -> Check:
        CHECKS[f"{name}: {check.__name__}"] = check
        return check

    return add


def current_of(site: Site) -> Current:
    """The validators of pages as they are now; where the site would not find the page, none."""

    async def current(scope: Scope) -> Validators | None:
        page = site.pages.get(scope["path"])
        if page is None:
            return None if scope["method"] == "DELETE" else Validators(exists=False)
        return Validators(page.headers.get("etag", etag(page.body)))

    return current


def behind(wrap: Wrap, site: Site) -> App:
    return wrap(site, current_of(site))


@statement("1")
async def a_star_is_false_for_what_exists(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page()}))
    assert (await ask(app, if_none_match="*")).status == 304


@statement("1")
async def a_star_is_true_for_what_is_missing(wrap: Wrap) -> None:
    assert (await ask(behind(wrap, Site()), if_none_match="*")).status == 404


@statement("1")
async def a_star_lets_a_page_be_made_and_not_replaced(wrap: Wrap) -> None:
    site = Site()
    app = behind(wrap, site)
    first = await ask(app, "PUT", body="mine", if_none_match="*")
    second = await ask(app, "PUT", body="yours", if_none_match="*")
    assert (first.status, second.status, site.pages["/"].body) == (204, 412, b"mine")


@statement("2")
async def any_tag_of_a_list_matches(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page()}))
    tag = (await ask(app)).fields.get("etag")
    assert (await ask(app, if_none_match=f'"x" , {tag},, "y"')).status == 304
    assert (await ask(app, if_none_match='"x", "y"')).status == 200


@statement("2")
async def a_comma_may_stand_inside_a_tag(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"etag": '"a,b"'})}))
    assert (await ask(app, if_none_match='"x", "a,b"')).status == 304
    assert (await ask(app, if_none_match='"a", "b"')).status == 200


@statement("3")
async def comparison_is_weak_for_if_none_match(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"etag": '"1"'}), "/weak": Page(headers={"etag": 'W/"1"'})}))
    assert (await ask(app, if_none_match='W/"1"')).status == 304
    assert (await ask(app, path="/weak", if_none_match='"1"')).status == 304


@statement("3")
async def opaque_parts_are_compared_exactly(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"etag": '"abc"'})}))
    for other in ('"ABC"', '"abc "', "abc", 'w/"abc"'):
        assert (await ask(app, if_none_match=other)).status == 200


@statement("4")
async def a_false_condition_on_get_and_head_is_304(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"etag": '"1"'})}))
    for method in ("GET", "HEAD"):
        assert (await ask(app, method, if_none_match='"1"')).status == 304


@statement("4")
async def a_false_condition_on_another_method_is_412_and_nothing_is_done(wrap: Wrap) -> None:
    site = Site({"/": Page(headers={"etag": '"1"'})})
    app = behind(wrap, site)
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert (await ask(app, method, body="new", if_none_match='"1"')).status == 412
        assert (await ask(app, method, body="new", if_match='"2"')).status == 412
    assert site.count == 0
    assert site.pages["/"].body == b"hello"


@statement("5")
async def if_none_match_outranks_if_modified_since(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"etag": '"1"', "last-modified": MONDAY})}))
    assert (await ask(app, if_modified_since=TUESDAY)).status == 304
    assert (await ask(app, if_modified_since=MONDAY)).status == 304
    assert (await ask(app, if_modified_since=SUNDAY)).status == 200
    assert (await ask(app, if_none_match='"2"', if_modified_since=TUESDAY)).status == 200


@statement("5")
async def if_match_compares_strongly_and_comes_first(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"etag": '"1"'}), "/weak": Page(headers={"etag": 'W/"1"'})}))
    assert (await ask(app, if_match='"1"')).status == 200
    assert (await ask(app, if_match='"2"', if_none_match='"1"')).status == 412
    assert (await ask(app, path="/weak", if_match='W/"1"')).status == 412
    assert (await ask(app, "PUT", path="/weak", body="new", if_match='W/"1"')).status == 412


@statement("5")
async def if_unmodified_since_comes_first_unless_there_is_if_match(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"etag": '"1"', "last-modified": MONDAY})}))
    assert (await ask(app, if_unmodified_since=SUNDAY, if_none_match='"1"')).status == 412
    assert (await ask(app, if_unmodified_since=MONDAY)).status == 200
    assert (await ask(app, if_unmodified_since=SUNDAY, if_match='"1"')).status == 200


@statement("5")
async def a_malformed_date_is_ignored(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"last-modified": MONDAY})}))
    for date in (
        "tomorrow",
        "2094-11-06",
        f"{TUESDAY}, {TUESDAY}",
        "Tue, 08 Nov 1994 08:49:37",
        "Tue, 08 Nov 1994 25:00:00 GMT",
    ):
        assert (await ask(app, if_modified_since=date)).status == 200


@statement("6")
async def a_304_carries_what_the_200_would_and_no_body(wrap: Wrap) -> None:
    told = {
        "content-location": "/index",
        "date": MONDAY,
        "vary": "accept",
        "cache-control": "max-age=60",
        "expires": TUESDAY,
    }
    app = behind(wrap, Site({"/": Page(headers={**told, "content-type": "text/plain"})}))
    whole = await ask(app)
    short = await ask(app, if_none_match=whole.fields.get("etag") or "")
    assert (short.status, short.body) == (304, b"")
    assert {name: short.fields.get(name) for name in told} == told
    assert short.fields.get("etag") == whole.fields.get("etag")
    assert "content-type" not in short.fields
    assert "content-length" not in short.fields


@statement("7")
async def what_is_no_success_comes_first(wrap: Wrap) -> None:
    for status in (301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 429, 500, 503):
        for own in ({}, {"etag": '"1"', "last-modified": MONDAY}):
            app = behind(wrap, Site({"/": Page(b"hello", status, own)}))
            plain = await ask(app)
            assert plain.status == status
            tag = plain.fields.get("etag") or '"1"'
            conditions = (
                {"if_none_match": tag},
                {"if_none_match": "*"},
                {"if_match": '"2"'},
                {"if_modified_since": TUESDAY},
            )
            for condition in conditions:
                assert await ask(app, **condition) == plain


@statement("7")
async def what_is_no_success_is_left_as_it_is(wrap: Wrap) -> None:
    for status in (204, 206, 301, 401, 403, 404, 500):
        assert "etag" not in (await ask(behind(wrap, Site({"/": Page(b"", status)})))).fields


@statement("7")
async def the_tag_of_one_url_never_validates_another(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/a": Page(b"a"), "/b": Page(b"b")}))
    tag = (await ask(app, path="/a")).fields.get("etag") or ""
    assert (await ask(app, path="/b", if_none_match=tag)).status == 200
    missing = await ask(app, path="/missing")
    for other in (tag, etag(missing.body), missing.fields.get("etag") or '""'):
        assert (await ask(app, path="/missing", if_none_match=other)).status == 404


@statement("7")
async def a_write_that_would_be_refused_is_refused_as_ever(wrap: Wrap) -> None:
    assert (await ask(behind(wrap, Site()), "DELETE", if_match='"1"')).status == 404


@statement("8")
async def same_bytes_have_the_same_strong_tag(wrap: Wrap) -> None:
    site = Site({"/a": Page(b"same"), "/b": Page(b"same"), "/c": Page(b"different")})
    first, again, other = [(await ask(behind(wrap, site), path=path)).fields.get("etag") for path in ("/a", "/b", "/c")]
    assert first == again != other
    assert first is not None
    assert not first.startswith("W/")


@statement("8")
async def a_content_coding_changes_the_tag_or_weakens_it(wrap: Wrap) -> None:
    for own in ({}, {"etag": '"1"'}):
        site = Site({"/": Page(b"hello" * 100, headers=own)})
        app = behind(wrap, site)
        plain = (await ask(app)).fields.get("etag")
        coded = (await ask(wrap(coding(site), current_of(site)))).fields.get("etag") or ""
        assert coded != plain
        assert own == {} or coded.startswith("W/")


def coding(app: App) -> App:
    """A middleware that codes bodies and leaves the tag as it is, as many do."""

    async def coded(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_coded(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [line for line in message["headers"] if line[0] != b"content-length"]
                await send({**message, "headers": [*kept, (b"content-encoding", b"gzip")]})
            else:
                await send({**message, "body": gzip.compress(message["body"], mtime=0)})

        await app(scope, receive, send_coded)

    return coded


@statement("9")
async def head_decides_as_get_does(wrap: Wrap) -> None:
    app = behind(wrap, Site({"/": Page(headers={"last-modified": MONDAY}), "/none": Page(status=404)}))
    tag = (await ask(app)).fields.get("etag") or ""
    for path in ("/", "/none", "/missing"):
        for headers in (
            {},
            {"if_none_match": tag},
            {"if_none_match": '"x"'},
            {"if_none_match": "*"},
            {"if_match": '"x"'},
            {"if_modified_since": TUESDAY},
        ):
            get = await ask(app, "GET", path, **headers)
            head = await ask(app, "HEAD", path, **headers)
            assert (head.status, list(head.fields), head.body) == (get.status, list(get.fields), b"")
