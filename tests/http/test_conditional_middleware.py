"""The middleware leaves alone what it should: streams, own validators, other scopes, failures, those who leave."""

import asyncio
from itertools import count

import pytest

from cachesim.patterns.conditional import Conditional, Validators, etag
from tests.http.kit import Client, Page, Site, ask, cancel, start
from tests.http.statements import MONDAY, TUESDAY, coding


async def test_a_response_gets_a_strong_tag_and_keeps_everything_else():
    page = Page(b"hello", headers={"content-type": "text/plain", "set-cookie": "a=1"})
    plain, tagged = await ask(Site({"/": page})), await ask(Conditional(Site({"/": page})))
    assert (tagged.status, tagged.body) == (plain.status, plain.body)
    assert tagged.fields == plain.fields.adding("etag", etag(b"hello"))


async def test_fields_that_do_not_describe_the_body_stay_with_a_304():
    headers = {"set-cookie": "a=1", "access-control-allow-origin": "*", "content-security-policy": "x"}
    app = Conditional(Site({"/": Page(headers={**headers, "content-language": "en", "last-modified": MONDAY})}))
    fields = (await ask(app, if_none_match="*")).fields
    assert {name: fields.get(name) for name in headers} == headers
    assert "content-language" not in fields
    assert "last-modified" not in fields  # the tag says more


async def test_a_last_modified_alone_gets_a_tag_beside_it():
    fields = (await ask(Conditional(Site({"/": Page(headers={"last-modified": MONDAY})})))).fields
    assert (fields.get("etag"), fields.get("last-modified")) == (etag(b"hello"), MONDAY)


async def test_a_body_in_parts_of_a_known_length_is_tagged():
    page = Page(headers={"content-length": "6"}, parts=[b"abc", b"def"])
    whole = await ask(Conditional(Site({"/": page})))
    assert (whole.body, whole.fields.get("etag")) == (b"abcdef", etag(b"abcdef"))


async def test_a_body_longer_than_the_largest_passes_untagged():
    app = Conditional(Site({"/5": Page(b"12345"), "/6": Page(b"123456")}), largest=5)
    assert "etag" in (await ask(app, path="/5")).fields
    long = await ask(app, path="/6")
    assert (long.body, "etag" in long.fields) == (b"123456", False)


async def test_a_body_longer_than_it_told_passes_untagged():
    page = Page(headers={"content-length": "4"}, parts=[b"1234", b"5678"])
    long = await ask(Conditional(Site({"/": page}), largest=5))
    assert (long.body, "etag" in long.fields) == (b"12345678", False)


async def test_a_body_that_tells_to_be_too_long_is_not_even_held():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"123", "more_body": True})
        await asyncio.sleep(1)
        await send({"type": "http.response.body", "body": b"456"})

    client = Client(Conditional(app, largest=5))
    caller = start(client.ask())
    await asyncio.sleep(0.5)
    assert client.messages[-1]["body"] == b"123"
    assert (await caller).body == b"123456"


async def test_a_stream_is_not_kept_from_its_reader():
    events = count()

    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"%d" % next(events), "more_body": True})
            await asyncio.sleep(1)

    client = Client(Conditional(stream))
    reader = start(client.ask())
    await asyncio.sleep(3.5)
    assert [message.get("body") for message in client.messages] == [None, b"0", b"1", b"2", b"3"]
    await cancel(reader)


async def test_a_stream_with_validators_of_its_own_is_not_held_either_and_can_be_304():
    page = Page(headers={"etag": '"1"'}, parts=[b"abc"])
    assert (await ask(Conditional(Site({"/": page})))).body == b"abc"
    assert await ask(Conditional(Site({"/": page})), if_none_match='"1"') == await ask(
        Conditional(Site({"/": Page(headers={"etag": '"1"'})})), if_none_match='"1"'
    )


async def test_messages_that_are_no_body_pass_as_they_come():
    async def app(scope, receive, send):
        await send({"type": "http.response.early_hint", "links": []})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/etc/motd"})

    client = Client(Conditional(app))
    with pytest.raises(AssertionError):
        await client.ask()
    assert [message["type"].rpartition(".")[2] for message in client.messages] == ["early_hint", "start", "pathsend"]


async def test_an_incomplete_response_is_passed_as_it_is():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    client = Client(Conditional(app))
    with pytest.raises(AssertionError):
        await client.ask()
    assert [message.get("body") for message in client.messages] == [None, b"half"]


async def test_each_coding_has_a_tag_of_its_own():
    site = Site({"/": Page(b"hello")})
    plain, coded = await ask(Conditional(site)), await ask(Conditional(coding(site)))
    assert plain.fields.get("etag") == etag(plain.body)
    assert coded.fields.get("etag") == etag(coded.body)


async def test_a_coding_outside_needs_weak_tags():
    coded = await ask(coding(Conditional(Site({"/": Page()}), weak=True)))
    assert coded.fields.get("etag") == etag(b"hello", weak=True)
    assert (await ask(coding(Conditional(Site({"/": Page()}), weak=True)), if_none_match=etag(b"hello"))).status == 304


async def test_the_strong_tag_of_a_coded_body_is_weakened():
    for own, told in (('"1"', 'W/"1"'), ('W/"1"', 'W/"1"')):
        page = Page(headers={"etag": own, "content-encoding": "br"})
        assert (await ask(Conditional(Site({"/": page})))).fields.get("etag") == told


async def test_an_application_that_holds_its_own_conditions_is_left_to():
    page = Page(status=304, headers={"etag": '"1"'})
    response = await ask(Conditional(Site({"/": page})), if_none_match='"1"')
    assert response == await ask(Site({"/": page}))


async def test_without_current_other_methods_are_the_applications_own():
    site = Site({"/": Page()})
    assert (await ask(Conditional(site), "PUT", body="new", if_match='"other"')).status == 204


async def test_only_conditions_are_a_reason_to_ask_for_the_validators():
    asked = []

    async def current(scope):
        asked.append(scope["path"])
        return Validators('"1"', exists=True)

    app = Conditional(Site({"/": Page()}), current=current)
    await ask(app, "PUT", body="new")
    await ask(app)
    assert asked == []
    assert (await ask(app, "PUT", body="new", if_match='"1"')).status == 204
    assert asked == ["/"]


async def test_dates_guard_writes_too():
    async def current(scope):
        return Validators(last_modified=784198177.0)  # Monday

    site = Site({"/": Page()})
    app = Conditional(site, current=current)
    assert (await ask(app, "DELETE", if_unmodified_since="Sun, 06 Nov 1994 08:49:37 GMT")).status == 412
    assert (await ask(app, "DELETE", if_unmodified_since=TUESDAY)).status == 204


async def test_a_412_tells_nothing_that_a_cache_could_keep():
    app = Conditional(Site({"/": Page(headers={"cache-control": "max-age=60"})}))
    response = await ask(app, if_match='"other"')
    assert (response.status, list(response.fields), response.body) == (412, [("content-length", "0")], b"")


async def test_a_failure_of_the_application_propagates_and_nothing_was_sent():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("half way")

    client = Client(Conditional(app))
    with pytest.raises(ValueError, match="half way"):
        await client.ask()
    assert client.messages == []  # so that whoever stands outside can still answer 500


async def test_cancelling_a_request_cancels_the_application():
    site = Site({"/": Page()}, seconds=1)
    caller = start(ask(Conditional(site)))
    await asyncio.sleep(0.5)
    await cancel(caller)
    assert (site.cancelled, site.under_way) == (1, 0)


async def test_an_application_hears_that_its_client_has_left():
    heard = []

    async def app(scope, receive, send):
        heard.extend([(await receive())["type"], (await receive())["type"]])

    client = Client(Conditional(app))
    caller = start(client.ask())
    await asyncio.sleep(1)
    client.gone.set()
    await asyncio.wait([caller])
    assert heard == ["http.request", "http.disconnect"]
    assert isinstance(caller.exception(), ValueError)  # there is no response to unpack


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_other_scopes_pass(kind):
    calls = []

    async def app(scope, receive, send):
        calls.append((scope, receive, send))

    scope, ends = {"type": kind}, (object(), object())
    await Conditional(app)(scope, *ends)  # type: ignore[arg-type]
    assert calls == [(scope, *ends)]
