"""The exercises of 06: batch and pipelines."""

from __future__ import annotations

from typing import Any

from cachesim.lab.exercise import Exercise, number
from cachesim.theory import miss_distribution, one_by_one_latency

__all__ = ["complete_pages", "one_by_one", "rows_in_place"]

one_by_one = Exercise(
    judge=number(
        1000 * one_by_one_latency(30, 3, 0.0005, 0.008),
        mistakes={
            30 * 0.5 + 3 * 8: "What was loaded is put into Redis before the loop goes on. How long does that take?",
            27 * 0.5 + 3 * 8.5: "Those that miss have asked Redis too, before they asked the database.",
            0.5 + 8 + 0.5: "That is one batch. The loop waits for each key before it asks for the next.",
        },
    ),
    clue="A key that hits costs one round trip. List what a key that misses costs, step by step.",
    answer="30 * 0.5 + 3 * (8 + 0.5)",
    because="30 looks of 0.5 ms; each of three misses adds a query of 8 ms and a round trip to store it: 40.5 ms.",
)

complete_pages = Exercise(
    judge=number(
        miss_distribution(50, 0.98)[0],
        mistakes={
            0.98: "That is the share of keys. A page needs all 50 of them.",
            1 - 0.98**50: "That is the share of pages that do ask the database.",
        },
    ),
    clue="The first key is there with probability 0.98. The first two are with 0.98 × 0.98.",
    answer="0.98 ** 50",
    because="All 50 keys are there with probability 0.98^50 = 0.364: of three pages, two ask the database.",
)

_PAGE = ["1", "99", "2", "2", "4"]
_ROWS = [("2", "cup"), ("4", ""), ("1", "tea")]


def _keeps_places(function: Any) -> str | None:
    if not callable(function):
        return f"A function is asked for, and this is a {type(function).__name__}."
    given, right = function(list(_PAGE), list(_ROWS)), ["tea", None, "cup", "cup", ""]
    if function([], []) != []:
        return "A page without products gets an empty list."
    if given == right:
        return None
    if not isinstance(given, list) or len(given) != len(_PAGE):
        return f"A page of {len(_PAGE)} products needs a list of {len(_PAGE)} names; this is {given!r}."
    if given[:4] == right[:4]:
        return "The product 4 is there, and its name is empty: that is a value, not a gap."
    place = next(place for place in range(len(_PAGE)) if given[place] != right[place])
    return f"With products {_PAGE} and rows {_ROWS}, place {place} holds {given[place]!r}, not {right[place]!r}."


rows_in_place = Exercise(
    judge=_keeps_places,
    clue="Make a dictionary of the rows first. Then ask it for each product of the page, in their order.",
    answer="""
    def in_place(products, rows):
        names = dict(rows)
        return [names.get(product) for product in products]

    in_place
    """,
    because="Rows are found by their id, never by their position: absent ones are None, and a product may stand twice.",
)
