"""Conditional requests: what holds for our middleware, and what the tutorial's breaks."""

import pytest

from cachesim.patterns.conditional import Conditional
from cachesim.pitfalls import conditional as pitfall
from tests.http.statements import CHECKS

BROKEN_BY_THE_PITFALL = {
    "1: a_star_is_false_for_what_exists",
    "1: a_star_lets_a_page_be_made_and_not_replaced",
    "2: any_tag_of_a_list_matches",
    "2: a_comma_may_stand_inside_a_tag",
    "3: comparison_is_weak_for_if_none_match",
    "4: a_false_condition_on_get_and_head_is_304",
    "4: a_false_condition_on_another_method_is_412_and_nothing_is_done",
    "5: if_none_match_outranks_if_modified_since",
    "5: if_match_compares_strongly_and_comes_first",
    "5: if_unmodified_since_comes_first_unless_there_is_if_match",
    "6: a_304_carries_what_the_200_would_and_no_body",
    "7: what_is_no_success_comes_first",
    "7: what_is_no_success_is_left_as_it_is",
    "7: the_tag_of_one_url_never_validates_another",
    "8: a_content_coding_changes_the_tag_or_weakens_it",
    "9: head_decides_as_get_does",
}


def ours(site, current):
    return Conditional(site, current=current)


def tutorial(site, current):
    return pitfall.Conditional(site)


@pytest.mark.parametrize("name", CHECKS)
async def test_the_statement_holds(name):
    await CHECKS[name](ours)


@pytest.mark.parametrize("name", sorted(BROKEN_BY_THE_PITFALL))
async def test_the_tutorials_way_breaks_it(name):
    with pytest.raises(AssertionError):
        await CHECKS[name](tutorial)


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - BROKEN_BY_THE_PITFALL))
async def test_the_tutorials_way_keeps_the_rest(name):
    await CHECKS[name](tutorial)
