"""What every policy promises as a cache of cachetools: one suite over all of them."""

import copy
import random
from typing import Any

import cachetools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesim.policies import POLICIES, Policy, WTinyLfu
from tests.policies.invariants import check

WEIGHING = [name for name, policy in POLICIES.items() if policy.weighs]
ACTIONS = {"set": 40, "setdefault": 10, "get": 30, "read": 10, "delete": 20, "pop": 5, "popitem": 5, "clear": 1}
"""How often each comes, of 121."""

every_policy = pytest.mark.parametrize("name", POLICIES)
every_weighing_policy = pytest.mark.parametrize("name", WEIGHING)


@every_policy
@pytest.mark.parametrize("size", [1, 2, 3, 5, 12])
def test_whatever_happens_it_holds_what_was_put_in_and_not_yet_taken_out(name, size):
    evicted: list[tuple[int, int]] = []
    cache: Policy[int, int] = POLICIES[name](size, evicted=lambda key, value: evicted.append((key, value)))
    model: dict[int, int] = {}
    generator = random.Random(size)
    for number in range(1_500):
        action = generator.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        key = generator.randrange(2 * size + 1)
        if action == "set":
            cache[key] = model[key] = number
        elif action == "setdefault":
            model.setdefault(key, number)
            assert cache.setdefault(key, number) == model[key]
        elif action == "get":
            assert cache.get(key, "absent") == model.get(key, "absent")
        elif action == "read" and key in model:
            assert cache[key] == model[key]
        elif action == "pop":
            assert cache.pop(key, "absent") == model.pop(key, "absent")
        elif action == "delete" and key in model:
            del cache[key], model[key]
        elif action == "popitem" and model:
            gone, value = cache.popitem()
            assert model.pop(gone) == value
        elif action == "clear":
            cache.clear()
            model.clear()
        for gone, value in evicted:
            assert gone != key
            assert model.pop(gone) == value
        evicted.clear()
        assert {held: cachetools.Cache.__getitem__(cache, held) for held in cache} == model  # which is no access
        assert len(cache) == cache.currsize == len(model)
        check(cache)


@every_policy
@settings(max_examples=40)
@given(size=st.integers(1, 30), keys=st.lists(st.integers(0, 60), max_size=120))
def test_it_evicts_nothing_before_it_is_full_and_one_key_for_each_insertion_after(name, size, keys):
    evicted: list[int] = []
    cache: Policy[int, int] = POLICIES[name](size, evicted=lambda key, _: evicted.append(key))
    for key in keys:
        before, present = len(cache), key in cache
        cache[key] = key
        assert len(evicted) == (0 if present or before < size else 1)
        evicted.clear()


@every_policy
@settings(max_examples=30)
@given(size=st.integers(1, 12), keys=st.lists(st.integers(0, 20), min_size=1, max_size=60))
def test_popitem_removes_the_key_that_an_insertion_would_evict(name, size, keys):
    evicted: list[int] = []
    cache: Policy[int, int] = POLICIES[name](size, evicted=lambda key, _: evicted.append(key))
    for key in [*range(100, 100 + size), *keys]:
        if key not in cache:
            cache[key] = key
        else:
            cache[key]
    twin, new = copy.deepcopy(cache), 200
    if isinstance(twin, WTinyLfu):  # to insert counts as a use, and comes before the contest
        twin._sketch.count(new)
    evicted.clear()
    cache[new] = 0
    assert [twin.popitem()[0]] == evicted


@every_policy
def test_a_miss_raises_key_error_and_changes_nothing(name):
    cache = POLICIES[name](3)
    cache["a"] = 1
    for _ in range(5):
        with pytest.raises(KeyError, match="absent"):
            cache["absent"]
    assert list(cache) == ["a"]
    check(cache)


@every_policy
def test_an_empty_cache_has_nothing_to_pop(name):
    cache = POLICIES[name](3)
    with pytest.raises(KeyError, match="is empty"):
        cache.popitem()
    with pytest.raises(KeyError, match="absent"):
        cache.pop("absent")
    with pytest.raises(KeyError, match="absent"):
        del cache["absent"]
    assert cache.pop("absent", 7) == 7


@every_policy
def test_a_missing_method_provides_values_as_in_cachetools(name):
    def missing(self, key):
        self[key] = key * key
        return key * key

    cache = type("Squares", (POLICIES[name],), {"__missing__": missing})(3)
    assert [cache[n] for n in (1, 2, 3, 4, 4)] == [1, 4, 9, 16, 16]
    assert len(cache) == 3


@every_policy
def test_a_cache_of_no_size_takes_nothing(name):
    cache = POLICIES[name](0)
    with pytest.raises(ValueError, match="value of size 1 is not allowed"):
        cache["a"] = 1
    assert len(cache) == 0


@every_policy
def test_a_negative_size_is_refused(name):
    with pytest.raises(ValueError, match="maxsize must be non-negative"):
        POLICIES[name](-1)


@every_policy
def test_a_deleted_key_comes_back_as_a_new_one(name):
    """No ghost: with and without the deletion of a key never used again, the rest fares alike."""
    deleting, fresh = POLICIES[name](10), POLICIES[name](10)
    deleting["passing"] = 0
    del deleting["passing"]
    if isinstance(fresh, WTinyLfu):  # a use is a use
        fresh._sketch.count("passing")
    for cache in (deleting, fresh):
        for n in range(300):
            key = "passing" if n == 150 else n * n % 37
            if key in cache:
                cache[key]
            else:
                cache[key] = n
    assert list(deleting) == list(fresh)


@every_policy
def test_after_clear_it_is_as_new_but_for_its_chance(name):
    if name == "random":
        pytest.skip("goes on drawing where it was")
    cleared, fresh = POLICIES[name](10), POLICIES[name](10)
    for n in range(100):
        cleared[n * n % 37] = n
    cleared.clear()
    for n in range(200):
        for cache in (cleared, fresh):
            cache[n * n % 23] = n
    assert list(cleared) == list(fresh)


@every_policy
def test_a_deep_copy_goes_its_own_way_and_a_shallow_one_is_refused(name):
    cache = POLICIES[name](10)
    for n in range(50):
        cache[n * n % 37] = n
    twin = copy.deepcopy(cache)
    held = list(cache)
    for n in range(50, 80):
        twin[n * n % 41] = n
    assert list(cache) == held
    check(cache)
    check(twin)
    with pytest.raises(TypeError, match=r"use copy\.deepcopy"):
        copy.copy(cache)


@every_policy
def test_any_hashable_key_and_any_value_are_held(name):
    cache: Policy[Any, Any] = POLICIES[name](8)
    things: dict[Any, Any] = {("a", 1): None, "text": [], b"bytes": {}, 3: 0, 2.5: "", None: False}
    for key, value in things.items():
        cache[key] = value
    assert dict(cache) == things


# ── Weights ───────────────────────────────────────────────────────────────────────────────────────────────────────


@every_weighing_policy
@given(data=st.data(), size=st.integers(1, 20))
def test_sizes_add_up_to_no_more_than_the_cache_has(name, data, size):
    cache: Policy[int, int] = POLICIES[name](size, getsizeof=int)
    model: dict[int, int] = {}
    cache._evicted = lambda key, value: model.pop(key)
    for key, weight, delete in data.draw(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, size), st.booleans()), max_size=60)
    ):
        if delete and key in model:
            del cache[key], model[key]
        else:
            cache[key] = weight
            model[key] = weight
        assert {k: model[k] for k in cache} == model
        assert cache.currsize == sum(model.values()) <= size
        check(cache)


@every_weighing_policy
def test_a_value_larger_than_the_cache_is_refused_and_evicts_nothing(name):
    cache = POLICIES[name](10, getsizeof=len)
    cache["a"], cache["b"] = "x" * 4, "x" * 5
    with pytest.raises(ValueError, match="value of size 11 is not allowed; from 0 to 10, the size of the cache"):
        cache["c"] = "x" * 11
    with pytest.raises(ValueError, match="value of size 11 is not allowed"):
        cache["a"] = "x" * 11
    assert dict(cache) == {"a": "x" * 4, "b": "x" * 5}


@every_weighing_policy
def test_a_value_that_grows_makes_others_go(name):
    cache = POLICIES[name](10, getsizeof=len)
    cache["a"] = cache["b"] = cache["c"] = "xxx"
    cache["b"] = "x" * 10
    assert dict(cache) == {"b": "x" * 10}
    assert cache.currsize == 10


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in WEIGHING])
def test_a_policy_that_divides_the_cache_by_entries_refuses_sizes_in_one_line(name):
    with pytest.raises(ValueError, match=r"^\w+: getsizeof is not allowed; its queues are so many entries long$"):
        POLICIES[name](10, getsizeof=len)


# ── Against cachetools ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "reference"),
    [("fifo", cachetools.FIFOCache), ("lru", cachetools.LRUCache), ("lfu", cachetools.LFUCache)],
)
@given(
    size=st.integers(1, 6),
    actions=st.lists(st.tuples(st.sampled_from(["set", "get", "delete", "popitem"]), st.integers(0, 9)), max_size=80),
)
def test_fifo_lru_and_lfu_hold_what_those_of_cachetools_do(name, reference, size, actions):
    ours, theirs = POLICIES[name](size), reference(size)
    for action, key in actions:
        for cache in (ours, theirs):
            if action == "set":
                cache[key] = key
            elif action == "get":
                cache.get(key)
            elif action == "delete":
                cache.pop(key, None)
            elif len(cache):
                cache.popitem()
        assert set(ours) == set(theirs)
