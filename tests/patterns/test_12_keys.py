"""Promise 12: keys carry a namespace and a version, and two different arguments never share one."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.patterns.keys import escape, key_template
from cachesim.patterns.scripts import LEASES

# The decorator


async def test_calls_with_the_same_arguments_share_a_value(make):
    cache = make()
    calls = []

    @cache.cached("user:{user_id}:{lang}")
    async def get_user(user_id, lang="en"):
        calls.append((user_id, lang))
        return f"{user_id} in {lang}"

    assert [await get_user(7), await get_user(7, "en"), await get_user(lang="en", user_id=7)] == ["7 in en"] * 3
    assert await get_user(7, "fr") == "7 in fr"
    assert calls == [(7, "en"), (7, "fr")]


async def test_a_number_and_its_text_are_two_arguments(make):
    cache = make()

    @cache.cached("item:{x}")
    async def get(x):
        return repr(x)

    arguments = [7, "7", 7.0, True, "True", None, "None", "", "a:b", "a%3Ab", "'7", Decimal(7), UUID(int=7)]
    assert [await get(x) for x in arguments] == [repr(x) for x in arguments]


async def test_the_decorated_function_keeps_its_name_and_tells_its_keys(make):
    cache = make()

    @cache.cached("user:{user_id}")
    async def get_user(user_id):
        """A user."""
        return {"id": user_id}

    assert (get_user.__name__, get_user.__doc__) == ("get_user", "A user.")
    assert get_user.key(7) == get_user.key(user_id=7) == "user:7"


async def test_a_key_told_by_the_function_deletes(make):
    cache = make()
    rows = {7: "old"}

    @cache.cached("user:{user_id}")
    async def get_user(user_id):
        return rows[user_id]

    await get_user(7)
    rows[7] = "new"
    await cache.delete(get_user.key(7))
    assert await get_user(7) == "new"


async def test_a_method_is_cached_by_its_arguments(make):
    cache = make()

    class Users:
        @cache.cached("user:{user_id}")
        async def get(self, user_id):
            return f"user {user_id}"

    assert await Users().get(7) == "user 7"
    assert await Users().get(8) == "user 8"
    assert cache.stats.loads == 2


async def test_wrong_arguments_are_refused_as_by_the_function_itself(make):
    cache = make()

    @cache.cached("user:{user_id}")
    async def get_user(user_id): ...

    with pytest.raises(TypeError, match="user_id"):
        await get_user()
    with pytest.raises(TypeError, match="too many"):
        await get_user(7, 8)


async def test_the_decorated_function_of_a_failing_load_fails(make):
    cache = make()

    @cache.cached("user:{user_id}")
    async def get_user(user_id):
        raise LookupError(user_id)

    with pytest.raises(LookupError):
        await get_user(7)


# Templates


def function(a, b="b", *, c=None): ...


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("user:{a}:{b}", "must name each parameter once, and nothing else: {a}, {b}, {c}"),
        ("user:{a}:{b}:{c}:{d}", "must name each parameter once"),
        ("user:{a}:{b}:{c}:{a}", "must name each parameter once"),
        ("user", "must name each parameter once"),
        ("user:{}:{}:{}", "must name each parameter once"),
        ("user:{0}:{1}:{2}", "must name each parameter once"),
        ("user:{a.b}:{b}:{c}", "must name each parameter once"),
        ("user:{a[0]}:{b}:{c}", "must name each parameter once"),
        ("user:{a:.3}:{b}:{c}", "must give {a} as it is, without a format"),
        ("user:{a!r}:{b}:{c}", "must give {a} as it is, without a format"),
        ("user:{a}{b}:{c}", "must separate {b} from what stands before it"),
        ("user:{a}:{b}-{c}", "must separate {c} from what stands before it"),
        ("user:{a}_and_{b}:{c}", "must separate {b} from what stands before it"),
        ("user:{a}.{b}:{c}", "must separate {b} from what stands before it"),
    ],
)
def test_a_template_under_which_calls_could_share_a_key_is_refused(template, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        key_template(template, function)


@pytest.mark.parametrize("template", ["{a}:{b}:{c}", "x-{a}/{b}/{c}.json", "{c}|{b}, {a}", "{{{a}}}:{b}#é{c}"])
def test_any_clear_separator_will_do(template):
    assert key_template(template, function)(1) == template.format(a=1, b="b", c=None)


def test_the_decorator_refuses_a_template_when_it_is_applied(world):
    cache = world.make("in-process")

    with pytest.raises(ValueError, match="must name each parameter once"):

        @cache.cached("user")
        async def get_user(user_id): ...


# Arguments

text = st.text(st.characters(exclude_categories=())) | st.text("'%:7-.eNonTrue", max_size=6)  # surrogates as well
scalars = (
    text
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=1))))
)


alike = scalars.flatmap(lambda value: st.tuples(st.just(value), scalars | st.just(str(value)) | st.just(escape(value))))
"""Two arguments, often one that looks like the other."""


def differ(a, b):
    return type(a) is not type(b) or repr(a) != repr(b)


@given(alike)
def test_two_different_arguments_never_share_a_key(arguments):
    a, b = arguments
    assert (escape(a) != escape(b)) == differ(a, b)


@given(x=alike, y=alike)
def test_two_different_calls_never_share_a_key(x, y):
    key = key_template("call:{x}:{y}", lambda x, y: None)
    assert (key(x[0], y[0]) != key(x[1], y[1])) == (differ(*x) or differ(*y))


@given(value=scalars)
def test_a_key_can_be_sent_and_read(value):
    assert re.fullmatch(r"[A-Za-z0-9_.~%'()+-]*", escape(value))


class Colour(Enum):
    red = 1


class Size(IntEnum):
    small = 1


@pytest.mark.parametrize("value", [[1], {"a": 1}, (1, 2), {1}, b"bytes", object(), Colour.red, Size.small])
def test_what_has_no_text_of_its_own_is_refused(value):
    with pytest.raises(TypeError, match=r"cannot be part of a key; allowed: str, int, float, bool, None, UUID, date"):
        escape(value)


def test_a_date_and_its_midnight_are_two_arguments():
    assert escape(date(2026, 1, 1)) != escape(datetime(2026, 1, 1))


# Namespace and version


async def test_keys_in_redis_carry_namespace_and_version(make_over_redis, redis):
    await make_over_redis(namespace="shop").set("user:7", "Ada")
    keys = [key for key in await redis.keys("*") if not key.startswith(LEASES)]
    assert keys == [b"shop:v1:user:7"]


async def test_two_namespaces_share_nothing(make_over_redis, origin):
    one, two = make_over_redis(namespace="one"), make_over_redis(namespace="two")
    await one.set("k", "of one")
    assert await two.get_or_set("k", origin.load) == "value 1"
    await two.delete("k")
    assert await one.get_or_set("k", origin.load) == "of one"


async def test_two_caches_of_one_namespace_share_their_values(make_over_redis, origin):
    one, two = make_over_redis(), make_over_redis()
    await one.set("k", "of one")
    assert await two.get_or_set("k", origin.load) == "of one"


@pytest.mark.parametrize("key", ["", " ", "é", "a b", "a\nb", "k" * 100_000, "*", "{k}", "\x00"], ids=range(9))
async def test_any_text_is_a_key(make, origin, key):
    cache = make()
    await cache.set(key, "set")
    assert await cache.get_or_set(key, origin.load) == "set"
    await cache.delete(key)
    assert await cache.get_or_set(key, origin.load) == "value 1"
