"""Which tests of the patterns each pitfall fails, and why; and some that it passes, for it is a cache after all.

A test goes by `module.function` of `tests/patterns`, without what the module's name begins with.
"""

from typing import Any, NamedTuple

import orjson
from redis import exceptions

from tests.patterns.test_05_no_growth import finish

__all__ = ["FAILED", "PASSED", "Failed", "Passed"]

REFUSED = exceptions.ConnectionError


class Failed(NamedTuple):
    """A case that a pitfall fails, why, and what it raises."""

    case: Case
    why: str
    error: type[Exception] = AssertionError


_1 = "01_every_value_is_cacheable"
_2 = "02_absent_rows"
_3 = "03_a_follower_never_pays_for_its_leader"
_4 = "04_a_failed_load_is_told_once_and_not_kept"
_5 = "05_no_growth"
_6 = "06_no_stale_set"
_7 = "07_redis_away"
_8 = "08_background_work"
_9 = "09_expiry"
_11 = "11_untrusted_bytes"
_12 = "12_keys"
NONE = {"single_flight": "none"}
LOCK = {"single_flight": "process"}

FAILED: dict[str, list[Failed]] = {
    "in-process": [
        Failed(f"{_3}.test_who_leaves_leaves_alone", "who holds the lock takes the load along", {"leaver": 0}),
        Failed(f"{_4}.test_one_failure_reaches_all_who_wait_at_once", "each waiter gets the lock in turn, and loads"),
        Failed(f"{_5}.test_nothing_is_left_of_a_load", "a lock for each key, for ever", {"end": finish}),
        Failed(f"{_6}.test_a_value_set_during_a_load_stays", "the load does not know of the write"),
        Failed(f"{_6}.test_who_comes_after_a_delete_does_not_join_the_old_load", "whoever waits gets the old value"),
        Failed(
            f"{_9}.test_a_value_that_expires_between_two_looks_at_the_clock_raises_no_key_error",
            "the check is not the get",
            error=KeyError,
        ),
    ],
    "cache-aside": [
        *(
            Failed(f"{_1}.test_a_value_that_was_set_is_not_loaded", "truthiness", {"value": value})
            for value in (None, 0, 0.0, "", [], {}, False)
        ),
        Failed(f"{_2}.test_without_negative_ttl_an_absent_row_expires_after_ttl", "an absent row is a miss each time"),
        Failed(
            f"{_3}.test_who_leaves_leaves_alone", "who holds the lock takes the load along", {"leaver": 0}, options=LOCK
        ),
        Failed(
            f"{_4}.test_one_failure_reaches_all_who_wait_at_once",
            "each waiter gets the lock in turn, and loads",
            options=LOCK,
        ),
        Failed(f"{_5}.test_nothing_is_left_of_a_load", "a lock for each key, for ever", {"end": finish}),
        Failed(f"{_6}.test_a_value_set_during_a_load_stays", "no generation: the late fill overwrites", NONE),
        Failed(f"{_6}.test_every_one_of_many_deletes_counts", "no generation: a late fill undoes a delete", NONE),
        Failed(
            f"{_6}.test_an_old_load_that_ends_last_does_not_overwrite_the_new_one",
            "the last to end is the oldest",
            NONE,
        ),
        Failed(f"{_6}.test_of_two_writes_the_older_never_stays", "whichever arrives last stays", sets="PUT"),
        Failed(f"{_6}.test_a_load_may_delete_its_own_key", "what it stores is newer than the delete", NONE),
        Failed(
            f"{_7}.test_a_read_goes_to_the_loader", "the client's error is the caller's", {"down": "refuse"}, REFUSED
        ),
        Failed(f"{_7}.test_writes_do_not_fail", "the client's error is the caller's", {"down": "refuse"}, REFUSED),
        Failed(f"{_7}.test_it_goes_away_during_the_load", "loaded, and lost", {"down": "refuse"}, REFUSED),
        Failed(
            f"{_7}.test_while_it_hangs_one_caller_in_a_while_waits_for_it",
            "no breaker: every caller waits",
            error=exceptions.TimeoutError,
        ),
        Failed(
            f"{_11}.test_malformed_bytes_are_a_miss",
            "bytes are trusted to be JSON",
            {"data": b"garbage"},
            orjson.JSONDecodeError,
        ),
        Failed(f"{_12}.test_a_number_and_its_text_are_two_arguments", "`format` makes one key of 7 and '7'"),
    ],
    "write-through": [
        Failed(
            "write_through.test_of_two_nodes_the_last_to_commit_stays_though_it_is_the_first_in_the_cache",
            "written without order",
            sets="PUT",
        ),
        Failed("write_through.test_of_two_in_one_process_too", "written without order", sets="PUT"),
        Failed(
            "write_through.test_a_load_begun_before_the_commit_does_not_overwrite_it",
            "the load does not know of the write",
            {"nodes": 1},
        ),
        Failed(
            "write_through.test_when_the_cache_cannot_take_a_value_the_old_one_is_deleted",
            "the caller is told that a write failed which the database has",
            error=exceptions.OutOfMemoryError,
            sets="PUT",
        ),
        Failed(
            "write_through.test_a_write_is_carried_through_though_its_caller_leaves",
            "between database and cache, the old value stays",
            {"seconds": 0.5},
            sets="PUT",
        ),
        Failed("write_through.test_what_cannot_be_cached_is_not_written_either", "the database first, then an error"),
        Failed(f"{_6}.test_of_two_writes_the_older_never_stays", "whichever arrives last stays", sets="PUT"),
        Failed(f"{_7}.test_writes_do_not_fail", "the client's error is the caller's", {"down": "refuse"}, REFUSED),
    ],
    "early-recompute": [
        Failed(
            "early_recompute.test_among_many_reads_one_comes_early_and_nobody_finds_the_value_expired",
            "without the logarithm nobody is early",
        ),
        Failed(
            "early_recompute.test_a_read_recomputes_as_often_as_the_closed_form_says",
            "without the logarithm nobody is early",
            {"beta": 1.0, "left": 1.0},
        ),
        Failed(
            "early_recompute.test_a_draw_decides_by_the_formula_of_the_paper",
            "without the logarithm nobody is early",
            {"beta": 1.0, "left": 1.0, "seconds": 1.0},
        ),
    ],
    "stale-while-revalidate": [
        Failed(
            "stale_while_revalidate.test_stale_hits_at_the_same_time_start_one_refresh", "each starts one: a stampede"
        ),
        Failed("stale_while_revalidate.test_stale_hits_during_a_refresh_start_no_other", "each starts one"),
        Failed(
            "stale_while_revalidate.test_a_refresh_is_held_on_to_and_awaited_by_aclose",
            "nobody holds the task, and `aclose` waits for nothing",
        ),
        Failed(
            "stale_while_revalidate.test_a_write_during_a_refresh_is_not_overwritten",
            "the refresh does not know of the delete",
            {"write": "delete"},
        ),
        Failed(f"{_6}.test_a_value_set_during_a_load_stays", "the load does not know of the write", NONE),
    ],
    "batch": [
        Failed("batch.test_the_trap_of_one_two_three_two_and_ninety_nine", "the row of 2 fills one place of two"),
        Failed(
            "batch.test_rows_come_in_the_tables_order_and_go_to_their_keys",
            "the first row goes to the first who lacks one",
        ),
        Failed(
            "batch.test_n_keys_cost_two_round_trips_and_one_query", "a round trip for each value stored", {"n": 100}
        ),
        Failed("batch.test_a_key_that_is_being_loaded_is_joined_and_not_loaded_again", "everybody loads"),
        Failed("batch.test_what_is_filled_together_does_not_expire_together", "one lifetime for all"),
        Failed("batch.test_an_absent_row_is_kept_for_negative_ttl_and_the_others_for_ttl", "an absent row is a miss"),
        Failed(
            "batch.test_a_key_that_is_deleted_during_the_load_is_not_stored_and_the_others_are",
            "no generation",
        ),
        Failed(f"{_2}.test_without_negative_ttl_an_absent_row_expires_after_ttl", "an absent row is a miss each time"),
    ],
    "layered": [],
}

PASSED: dict[str, list[Passed]] = {
    "in-process": [
        Passed(f"{_2}.test_without_negative_ttl_an_absent_row_expires_after_ttl"),
        Passed(f"{_4}.test_a_failure_is_not_kept"),
        Passed(f"{_6}.test_a_delete_of_another_key_changes_nothing"),
        Passed(f"{_9}.test_those_who_find_a_value_expired_share_one_load"),
        Passed(f"{_9}.test_an_in_process_value_is_usable_before_its_deadline_and_not_at_it"),
    ],
    "cache-aside": [
        Passed(f"{_1}.test_a_value_that_was_set_is_not_loaded", {"value": "text"}),
        Passed(f"{_4}.test_a_failure_is_not_kept"),
        Passed(f"{_6}.test_a_delete_of_another_key_changes_nothing"),
        Passed(
            f"{_7}.test_it_comes_back_by_itself",
        ),
        Passed(f"{_9}.test_a_miss_asks_redis_twice"),
        Passed(f"{_9}.test_those_who_find_a_value_expired_share_one_load"),
        Passed(f"{_12}.test_two_caches_of_one_namespace_share_their_values"),
    ],
    "write-through": [
        Passed("write_through.test_a_write_is_in_the_database_and_is_read_without_a_load"),
        Passed("write_through.test_the_cache_is_not_touched_before_the_database_has_committed"),
        Passed("write_through.test_until_the_commit_readers_are_served_what_was_there"),
        Passed("write_through.test_it_is_the_order_of_commits_that_counts_not_that_of_calls"),
        Passed(f"{_1}.test_a_value_that_was_set_is_not_loaded", {"value": None}),
    ],
    "early-recompute": [
        Passed("early_recompute.test_with_a_beta_of_0_nobody_is_early"),
        Passed("early_recompute.test_a_value_that_nobody_had_to_load_is_not_recomputed_early"),
        Passed(f"{_9}.test_those_who_find_a_value_expired_share_one_load"),
    ],
    "stale-while-revalidate": [
        Passed("stale_while_revalidate.test_a_fresh_value_is_served_and_not_refreshed"),
        Passed("stale_while_revalidate.test_a_refreshed_value_is_fresh_anew"),
        Passed("stale_while_revalidate.test_who_reads_often_enough_never_waits"),
        Passed(f"{_1}.test_a_value_that_was_set_is_not_loaded", {"value": None}),
    ],
    "batch": [
        Passed("batch.test_n_keys_that_are_there_cost_one_round_trip"),
        Passed("batch.test_n_keys_cost_two_round_trips_and_one_query", {"n": 1}),
        Passed("batch.test_a_row_that_nobody_asked_for_is_not_kept"),
        Passed("batch.test_a_failure_leaves_what_is_there_alone"),
    ],
    "layered": [],
}
