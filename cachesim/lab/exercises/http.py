"""The exercises of 07: HTTP conditional requests."""

from __future__ import annotations

from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.patterns.conditional import Validators, evaluate
from cachesim.theory import not_modified_ratio

__all__ = ["decision", "saved_share", "status_of_a_late_write"]

saved_share = Exercise(
    judge=number(
        not_modified_ratio(1 / 30, 1 / 300),
        mistakes={
            1 - 30 / 300: "Close, but visits are not every 30 s exactly. Look back from a visit: what came last?",
            30 / 330: "That is the share of visits that bring the whole page.",
        },
        within=0.002,
    ),
    clue="Of the visits of one browser and the changes of the page, taken together, what share are visits?",
    answer="(1 / 30) / (1 / 30 + 1 / 300)",
    because="In 300 s there are ten visits and one change on average: a visit came last in 10 of 11 cases, 0.909.",
)

status_of_a_late_write = Exercise(
    judge=number(
        float(evaluate("PUT", {"If-Match": '"7"'}, Validators(etag='"8"'))),
        mistakes={
            200: "Then the first editor's text is gone, and nobody has noticed: the lost update.",
            204: "Then the first editor's text is gone, and nobody has noticed: the lost update.",
            304: "That answers who wants to read. Nothing was read here.",
            409: "That is a conflict in the content itself. For a failed condition HTTP has a status of its own.",
        },
        within=0,
    ),
    clue="If-Match says: only if the page is still the one that I have read. It is a precondition, and it failed.",
    answer="412",
    because="412 (Precondition Failed), and nothing is written: the second editor reads version 8 and tries again.",
)

_TAGS = ('"7"', 'W/"7"', '"a,b"')
_HEADERS = (None, '"7"', 'W/"7"', '"8"', "*", '"6", "7"', '"6",W/"7"', '"77"', '"a,b"', '"a", "b"', '"x", "a,b"')


def _decides(function: Any) -> str | None:
    if not callable(function):
        return f"A function is asked for, and this is a {type(function).__name__}."
    for tag in _TAGS:
        for header in _HEADERS:
            fields = {} if header is None else {"If-None-Match": header}
            right = 304 if evaluate("GET", fields, Validators(etag=tag)) == 304 else 200
            if (given := function(header, tag)) != right:
                return f"If-None-Match {header} and the tag {tag} make {right}, not {given!r}."
    return None


decision = Exercise(
    judge=_decides,
    clue='Take W/ away on both sides, and find the tags with re.findall(\'"[^"]*"\', header). Then there is `*`.',
    answer="""
    import re

    def decide(header, tag):
        if header is None:
            return 200
        tags = re.findall('"[^"]*"', header)
        return 304 if header == "*" or tag.removeprefix("W/") in tags else 200

    decide
    """,
    because="A list matches if one of its tags does, W/ does not count when reading, and `*` is any page there is.",
)
