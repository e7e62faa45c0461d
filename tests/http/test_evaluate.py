"""The pure functions: conditions against a reference that is written the long way, and tags in every process."""

import os
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cachesim.patterns.conditional import Validators, etag, evaluate
from cachesim.patterns.http_messages import Fields, directives, http_date, members, seconds

OPAQUE = st.text(st.sampled_from(["a", "A", ",", "\\", "W", "/", "\xe9", "'"]), max_size=3)
TAGS = st.builds(lambda weak, opaque: f'{"W/" * weak}"{opaque}"', st.booleans(), OPAQUE)
GAPS = st.sampled_from([",", ", ", " ,\t", ",,", " , , "])
DAYS = [f"Sun, {day:02} Nov 1994 08:49:37 GMT" for day in (5, 6, 7)]
SIXTH = 784111777.0


@st.composite
def lists(draw):
    """A field value, and the tags in it."""
    tags = draw(st.lists(TAGS, min_size=1, max_size=4))
    text = tags[0]
    for tag in tags[1:]:
        text += draw(GAPS) + tag
    return draw(st.sampled_from(["", ",", ", "])) + text + draw(st.sampled_from(["", ",", " "])), tags


def is_strong(tag):
    return tag[0] == '"'


def opaque(tag):
    return tag[tag.index('"') :]


@given(lists(), st.none() | TAGS, st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]))
@example(('"a,b"', ['"a,b"']), '"a"', "GET")
@example(('"W/"', ['"W/"']), 'W/"W/"', "GET")
def test_if_none_match_is_false_if_any_tag_matches_weakly(given_list, current, method):
    text, tags = given_list
    matches = current is not None and any(opaque(tag) == opaque(current) for tag in tags)
    expected = (304 if method in ("GET", "HEAD") else 412) if matches else "perform"
    assert evaluate(method, {"If-None-Match": text}, Validators(current)) == expected


@given(lists(), st.none() | TAGS, st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]))
def test_if_match_is_true_if_any_tag_matches_strongly(given_list, current, method):
    text, tags = given_list
    matches = current is not None and is_strong(current) and any(is_strong(tag) and tag == current for tag in tags)
    assert evaluate(method, {"If-Match": text}, Validators(current)) == ("perform" if matches else 412)


@given(st.lists(TAGS, min_size=1, max_size=4), TAGS)
def test_lines_of_one_name_are_one_list(tags, current):
    lines = [("If-None-Match", tag) for tag in tags]
    together = {"if-none-match": ", ".join(tags)}
    assert evaluate("GET", lines, Validators(current)) == evaluate("GET", together, Validators(current))


@given(st.text(st.characters(max_codepoint=255), max_size=30), st.sampled_from(["GET", "PUT"]))
def test_whatever_a_client_sends_is_answered(text, method):
    names = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
    for name in names:
        assert evaluate(method, {name: text}, Validators('"a"', SIXTH)) in ("perform", 304, 412)
    directives(text)
    assert all(member.strip(" \t") == member for member in members(text))


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize("tag", ['"a', "a", "'a'", 'w/"a"', '"a" "b"', 'W/ "a"', '"a b"', '*, "b"', "", '"a"x'])
def test_what_is_no_tag_matches_nothing(name, tag):
    assert evaluate("GET", {name: tag}, Validators('"a"')) == ("perform" if name == "If-None-Match" else 412)


def test_a_malformed_member_does_not_spoil_its_list():
    assert evaluate("GET", {"If-None-Match": 'junk, "a"'}, Validators('"a"')) == 304


@pytest.mark.parametrize("current", ["a", '"a b"', ""])
def test_a_current_tag_that_is_none_matches_nothing(current):
    assert evaluate("GET", {"If-None-Match": current}, Validators(current)) == "perform"


@pytest.mark.parametrize("exists", [True, False])
def test_a_star_asks_whether_the_resource_exists(exists):
    resource = Validators(exists=exists)
    assert evaluate("PUT", {"If-Match": "*"}, resource) == ("perform" if exists else 412)
    assert evaluate("PUT", {"If-None-Match": "*"}, resource) == (412 if exists else "perform")
    assert evaluate("GET", {"If-None-Match": "*"}, resource) == (304 if exists else "perform")


@pytest.mark.parametrize(
    ("date", "modified", "unmodified"), list(zip(DAYS, ["perform", 304, 304], [412, "perform", "perform"], strict=True))
)
def test_dates_are_compared_to_the_second(date, modified, unmodified):
    for fraction in (0.0, 0.9):
        page = Validators(last_modified=SIXTH + fraction)
        assert evaluate("GET", {"If-Modified-Since": date}, page) == modified
        assert evaluate("PUT", {"If-Unmodified-Since": date}, page) == unmodified


def test_if_modified_since_is_for_get_and_head_only():
    page = Validators(last_modified=SIXTH)
    decisions = [evaluate(method, {"If-Modified-Since": DAYS[2]}, page) for method in ("GET", "HEAD", "PUT", "POST")]
    assert decisions == [304, 304, "perform", "perform"]


def test_dates_are_ignored_where_none_is_known():
    headers = {"If-Modified-Since": DAYS[2], "If-Unmodified-Since": DAYS[0]}
    assert evaluate("GET", headers, Validators('"a"')) == "perform"


@pytest.mark.parametrize("method", ["CONNECT", "OPTIONS", "TRACE"])
def test_methods_that_select_nothing_have_no_conditions(method):
    assert evaluate(method, {"If-Match": '"b"', "If-None-Match": "*"}, Validators('"a"')) == "perform"


SEVENTH = DAYS[2]
PRECEDENCE = [  # of 13.2.2: what is asked of a page with tag "a", changed on the 6th
    ({"If-Match": '"a"', "If-Unmodified-Since": DAYS[0]}, "perform"),
    ({"If-Match": '"b"', "If-Unmodified-Since": SEVENTH}, 412),
    ({"If-Match": '"b"', "If-None-Match": '"a"'}, 412),
    ({"If-Match": '"a"', "If-None-Match": '"a"'}, 304),
    ({"If-Unmodified-Since": DAYS[0], "If-None-Match": '"a"'}, 412),
    ({"If-Unmodified-Since": SEVENTH, "If-None-Match": '"a"'}, 304),
    ({"If-Unmodified-Since": "never", "If-None-Match": '"b"'}, "perform"),
    ({"If-None-Match": '"b"', "If-Modified-Since": SEVENTH}, "perform"),
    ({"If-None-Match": '"a"', "If-Modified-Since": DAYS[0]}, 304),
    ({"If-None-Match": "", "If-Modified-Since": SEVENTH}, "perform"),
]


@pytest.mark.parametrize(("headers", "decision"), PRECEDENCE)
def test_the_order_of_conditions(headers, decision):
    assert evaluate("GET", headers, Validators('"a"', SIXTH)) == decision


@pytest.mark.parametrize(
    "date", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_a_date_has_three_forms(date):
    assert http_date(date) == SIXTH


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "0",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 0000 08:49:37 GMT",
    ],
)
def test_anything_else_is_no_date(date):
    assert http_date(date) is None


def test_a_leap_second_is_a_date():
    assert http_date("Sat, 31 Dec 2016 23:59:60 GMT") is not None


def test_directives_are_read_with_their_quotes():
    assert directives('private="a,b", Max-Age = 5, x="\\"", max-age=6') == {"private": "a,b", "max-age": "5", "x": '"'}
    assert directives(None) == {}


@pytest.mark.parametrize("text", [",", " ", '"', "=", 'a="', "a ", '\\"', "x,"])
def test_a_long_field_is_read_in_one_pass(text):  # else this would take minutes
    assert len(directives(text * 50_000)) <= 1
    assert evaluate("GET", {"If-None-Match": text * 50_000}, Validators('"?"')) == "perform"


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("", 0), ("-1", 0), ("1.5", 0), ("9" * 9999, 2**31)])
def test_a_number_of_seconds_that_is_none_counts_as_zero(text, value):
    assert seconds({"max-age": text}, "max-age") == value
    assert seconds({"max-age": text}, "s-maxage") is None


def test_fields_keep_their_order_and_forget_their_case():
    fields = Fields([(b"X-B", b" 1 "), ("x-a", "2"), ("X-B", "3")])
    assert list(fields) == [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]
    assert fields.raw() == [(b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3")]
    assert fields.without(["x-b"]) == Fields({"X-A": "2"})


def test_a_weak_tag_is_the_strong_one_marked():
    assert etag(b"x", weak=True) == "W/" + etag(b"x")


@pytest.mark.parametrize("seed", ["0", "1"])
def test_same_bytes_have_the_same_tag_in_another_process(seed):
    code = "from cachesim.patterns.conditional import etag; import sys; sys.stdout.write(etag(b'caf\\xe9' * 999))"
    environment = os.environ | {"PYTHONHASHSEED": seed}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == etag(b"caf\xe9" * 999)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_different_bytes_have_different_tags(one, other):
    assert (etag(one) == etag(other)) == (one == other)
