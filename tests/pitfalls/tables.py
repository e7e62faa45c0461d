"""Which tests of the patterns each pitfall fails, and why; and some that it passes, for it is a cache after all."""

from typing import NamedTuple

import orjson
from redis import exceptions

from tests.patterns import test_01_every_value_is_cacheable as promise_1
from tests.patterns import test_02_absent_rows as promise_2
from tests.patterns import test_03_a_follower_never_pays_for_its_leader as promise_3
from tests.patterns import test_04_a_failed_load_is_told_once_and_not_kept as promise_4
from tests.patterns import test_05_no_growth as promise_5
from tests.patterns import test_06_no_stale_set as promise_6
from tests.patterns import test_07_redis_away as promise_7
from tests.patterns import test_08_background_work as promise_8
from tests.patterns import test_09_expiry as promise_9
from tests.patterns import test_11_untrusted_bytes as promise_11
from tests.patterns import test_12_keys as promise_12
from tests.patterns import test_batch as batch
from tests.patterns import test_early_recompute as early_recompute
from tests.patterns import test_invalidations as invalidations
from tests.patterns import test_layered as layered
from tests.patterns import test_stale_while_revalidate as stale_while_revalidate
from tests.patterns import test_write_through as write_through
from tests.patterns.kit import FALSY
from tests.pitfalls.kit import Case

__all__ = ["FAILED", "PASSED", "Failed"]


class Failed(NamedTuple):
    """A case that a pitfall fails, why, and what it raises."""

    case: Case
    why: str
    error: type[Exception] = AssertionError


ALONE = {"single_flight": "none"}
LOCK = {"single_flight": "process"}
AWAY = {"down": "refuse"}

LOCK_PER_KEY = [
    Failed(
        Case(promise_3.test_who_leaves_leaves_alone, {"leaver": 0}, LOCK), "who holds the lock takes the load along"
    ),
    Failed(
        Case(promise_4.test_one_failure_reaches_all_who_wait_at_once, {}, LOCK),
        "each waiter gets the lock in turn, and loads again",
    ),
    Failed(
        Case(promise_5.test_nothing_is_left_of_a_load, {"end": promise_5.finish}, LOCK), "the lock is never removed"
    ),
    Failed(
        Case(promise_6.test_who_comes_after_a_delete_does_not_join_the_old_load, {}, LOCK),
        "whoever gets the lock next finds the old value",
    ),
]
NO_GENERATION = [
    Failed(Case(promise_6.test_a_value_set_during_a_load_stays, ALONE), "the load does not know of the write"),
    Failed(Case(promise_6.test_every_one_of_many_deletes_counts, ALONE), "the load does not know of the delete"),
    Failed(Case(promise_6.test_a_load_may_delete_its_own_key, ALONE), "the load does not know of the delete"),
]
NO_REDIS = [
    Failed(Case(promise_7.test_a_read_goes_to_the_loader, AWAY), "Redis is not optional", exceptions.ConnectionError),
    Failed(Case(promise_7.test_it_goes_away_during_the_load, AWAY), "loaded, and lost", exceptions.ConnectionError),
    Failed(
        Case(promise_7.test_writes_do_not_fail, AWAY), "the client's error is the writer's", exceptions.ConnectionError
    ),
]
CALLERS_WRITE = Failed(
    Case(promise_8.test_aclose_waits_for_a_write_whose_caller_has_left, sets="PUT"),
    "whoever leaves takes the write along, and `aclose` waits for nothing",
)

FAILED: dict[str, list[Failed]] = {
    "in-process": [
        *LOCK_PER_KEY,
        *NO_GENERATION,
        Failed(
            Case(promise_9.test_a_value_that_expires_between_two_looks_at_the_clock_raises_no_key_error),
            "a check comes before the get",
            KeyError,
        ),
    ],
    "cache-aside": [
        *(
            Failed(Case(promise_1.test_a_value_that_was_set_is_not_loaded, {"value": value}), "truthiness")
            for value in FALSY
        ),
        Failed(
            Case(promise_2.test_without_negative_ttl_an_absent_row_expires_after_ttl), "an absent row is never found"
        ),
        *LOCK_PER_KEY,
        *NO_GENERATION,
        Failed(
            Case(promise_6.test_an_old_load_that_ends_last_does_not_overwrite_the_new_one),
            "the last to end is the oldest",
        ),
        Failed(Case(promise_6.test_of_two_writes_the_older_never_stays, sets="PUT"), "whichever arrives last stays"),
        *NO_REDIS,
        Failed(
            Case(promise_7.test_while_it_hangs_one_caller_in_a_while_waits_for_it),
            "no breaker: each caller waits, in vain",
            exceptions.TimeoutError,
        ),
        CALLERS_WRITE,
        Failed(
            Case(promise_11.test_malformed_bytes_are_a_miss, {"data": b"garbage"}),
            "bytes are trusted to be JSON",
            orjson.JSONDecodeError,
        ),
        Failed(Case(promise_12.test_a_number_and_its_text_are_two_arguments), "`format` makes one key of 7 and '7'"),
    ],
    "write-through": [
        Failed(
            Case(
                write_through.test_of_two_nodes_the_last_to_commit_stays_though_it_is_the_first_in_the_cache,
                sets="PUT",
            ),
            "written without order",
        ),
        Failed(Case(write_through.test_of_two_in_one_process_too, sets="PUT"), "written without order"),
        *NO_GENERATION,
        *(
            Failed(
                Case(write_through.test_a_load_begun_before_the_commit_does_not_overwrite_it, {"nodes": nodes}),
                "the load does not know of the write",
            )
            for nodes in (1, 2)
        ),
        Failed(
            Case(write_through.test_when_the_cache_cannot_take_a_value_the_old_one_is_deleted, sets="PUT"),
            "the writer is told of an error, though the database has it, and the old value stays",
            exceptions.OutOfMemoryError,
        ),
        Failed(
            Case(write_through.test_when_the_database_fails_the_caller_is_told_and_nobody_trusts_the_cache),
            "it may have committed, and the old value stays",
        ),
        Failed(
            Case(write_through.test_a_write_is_carried_through_though_its_caller_leaves, {"seconds": 0.5}),
            "whoever leaves takes the write along",
        ),
        *NO_REDIS,
    ],
    "early-recompute": [
        Failed(
            Case(early_recompute.test_among_many_reads_one_comes_early_and_nobody_finds_the_value_expired),
            "without the logarithm nobody is early",
        ),
        *(
            Failed(
                Case(
                    early_recompute.test_a_read_recomputes_as_often_as_the_closed_form_says,
                    {"beta": 1.0, "left": left},
                ),
                "without the logarithm nobody is early",
            )
            for left in (0.25, 1.0)
        ),
        Failed(
            Case(
                early_recompute.test_a_draw_decides_by_the_formula_of_the_paper,
                {"beta": 1.0, "left": 1.0, "seconds": 1.0},
            ),
            "without the logarithm nobody is early",
        ),
        Failed(
            Case(early_recompute.test_whatever_is_drawn_no_value_is_served_past_its_expiry, {"u": 1 - 2**-53}),
            "the later, the larger the draw",
        ),
        *NO_GENERATION,
        *NO_REDIS,
    ],
    "stale-while-revalidate": [
        Failed(
            Case(stale_while_revalidate.test_stale_hits_at_the_same_time_start_one_refresh), "each stale hit starts one"
        ),
        Failed(
            Case(stale_while_revalidate.test_stale_hits_during_a_refresh_start_no_other), "each stale hit starts one"
        ),
        Failed(
            Case(stale_while_revalidate.test_a_refresh_is_held_on_to_and_awaited_by_aclose),
            "nobody holds the task, and `aclose` waits for nothing",
        ),
        *(
            Failed(
                Case(stale_while_revalidate.test_a_write_during_a_refresh_is_not_overwritten, {"write": write}),
                "the refresh does not know of the write",
            )
            for write in ("set", "delete")
        ),
        *NO_GENERATION,
        *NO_REDIS,
    ],
    "batch": [
        Failed(Case(batch.test_the_trap_of_one_two_three_two_and_ninety_nine), "one row for two places"),
        Failed(
            Case(batch.test_rows_come_in_the_tables_order_and_go_to_their_keys),
            "the first row goes to the first who lacks one",
        ),
        Failed(Case(batch.test_an_absent_row_is_asked_for_once), "no row, nothing to keep"),
        Failed(
            Case(batch.test_n_keys_cost_two_round_trips_and_one_query, {"n": 100}),
            "a round trip for each value stored",
        ),
        Failed(Case(batch.test_an_empty_list_costs_nothing, {"down": None}), "it asks Redis for the values of no keys"),
        Failed(Case(batch.test_a_batch_whose_keys_are_all_being_loaded_asks_nothing), "everybody loads"),
        Failed(Case(batch.test_what_is_filled_together_does_not_expire_together), "one lifetime for all"),
        Failed(
            Case(batch.test_a_key_that_another_node_deletes_during_the_load_is_not_stored),
            "the load does not know of the delete",
        ),
        *NO_GENERATION,
        *NO_REDIS,
    ],
    "layered": [
        Failed(
            Case(invalidations.test_a_load_under_way_when_the_message_comes_is_not_kept),
            "published without protection of a concurrent fill",
        ),
        *(
            Failed(
                Case(invalidations.test_a_look_into_l2_under_way_when_the_message_comes_is_not_kept, {"write": write}),
                "published without protection of a concurrent fill",
            )
            for write in ("set", "delete")
        ),
        Failed(
            Case(invalidations.test_what_was_said_while_the_connection_was_lost_is_not_missed),
            "the client connects again without a word",
        ),
        Failed(
            Case(
                invalidations.test_a_malformed_message_is_counted_and_skipped,
                {"invalidation": "pubsub", "message": b"\xff"},
            ),
            "one message that is no text ends the listener",
        ),
        Failed(
            Case(invalidations.test_a_node_does_not_heed_its_own_echo, {"invalidation": "pubsub"}),
            "it throws away what it has filled since",
        ),
        Failed(Case(layered.test_an_l1_entry_never_outlives_its_l2_entry), "the lifetimes add up"),
        *NO_GENERATION,
        *NO_REDIS,
    ],
}

PASSED: dict[str, list[Case]] = {
    "in-process": [
        Case(promise_2.test_without_negative_ttl_an_absent_row_expires_after_ttl),
        Case(promise_4.test_a_failure_is_not_kept),
        Case(promise_6.test_a_delete_of_another_key_changes_nothing),
        Case(promise_9.test_those_who_find_a_value_expired_share_one_load),
        Case(promise_9.test_an_in_process_value_is_usable_before_its_deadline_and_not_at_it),
    ],
    "cache-aside": [
        Case(promise_1.test_a_value_that_was_set_is_not_loaded, {"value": "text"}),
        Case(promise_4.test_a_failure_is_not_kept),
        Case(promise_6.test_a_delete_of_another_key_changes_nothing),
        Case(promise_9.test_a_hit_asks_redis_once),
        Case(promise_9.test_a_miss_asks_redis_twice),
        Case(promise_9.test_those_who_find_a_value_expired_share_one_load, {}, LOCK),
        Case(promise_12.test_two_caches_of_one_namespace_share_their_values),
    ],
    "write-through": [
        Case(write_through.test_a_write_is_in_the_database_and_is_read_without_a_load),
        Case(write_through.test_until_the_commit_readers_are_served_what_was_there),
        Case(write_through.test_it_is_the_order_of_commits_that_counts_not_that_of_calls),
        Case(promise_1.test_a_value_that_was_set_is_not_loaded, {"value": None}),
    ],
    "early-recompute": [
        Case(early_recompute.test_with_a_beta_of_0_nobody_is_early),
        Case(early_recompute.test_a_value_that_nobody_had_to_load_is_not_recomputed_early),
        Case(early_recompute.test_whatever_is_drawn_no_value_is_served_past_its_expiry, {"u": 0.0}),
        Case(promise_9.test_those_who_find_a_value_expired_share_one_load, {}, LOCK),
    ],
    "stale-while-revalidate": [
        Case(stale_while_revalidate.test_a_fresh_value_is_served_and_not_refreshed),
        Case(stale_while_revalidate.test_a_refreshed_value_is_fresh_anew),
        Case(stale_while_revalidate.test_who_reads_often_enough_never_waits),
        Case(promise_1.test_a_value_that_was_set_is_not_loaded, {"value": None}),
    ],
    "batch": [
        Case(batch.test_n_keys_that_are_there_cost_one_round_trip),
        Case(batch.test_n_keys_cost_two_round_trips_and_one_query, {"n": 1}),
        Case(batch.test_a_failure_leaves_what_is_there_alone),
        Case(promise_1.test_a_value_that_was_set_is_not_loaded, {"value": ""}),
    ],
    "layered": [
        Case(layered.test_a_hit_in_l1_asks_redis_nothing),
        Case(layered.test_an_l1_entry_ends_after_l1_ttl_and_l2_still_has_it),
        Case(invalidations.test_a_write_is_heard_at_other_nodes, {"invalidation": "pubsub", "write": "set"}),
        Case(invalidations.test_a_write_is_heard_at_other_nodes, {"invalidation": "pubsub", "write": "delete"}),
    ],
}
