"""The oracles: LIRS and W-TinyLFU from their papers, LFU with a perfect memory, OPT by trial; plain and slow."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from cachesim.policies.hashing import splitmix64, stable_key


class PlainLirs:
    """Jiang and Zhang 2002, section 3.3, for a cache of two and more, so that there are LIR blocks.

    Each block that S or Q knows has a status: LIR, HIR (resident) or GONE (evicted, still in S).
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.most_lir = size - max(1, size // 100)
        self.stack: list[int] = []  # the top at index 0
        self.queue: list[int] = []  # the front, where blocks are evicted, at index 0
        self.gone: list[int] = []  # in the order of eviction
        self.status: dict[int, str] = {}

    def access(self, key: int) -> bool:
        before = self.status.get(key)
        if before == "LIR":
            self.to_top(key)
        elif before == "HIR":
            self.queue.remove(key)
            self.takes_place(key)
        else:
            if before == "GONE":
                self.gone.remove(key)
            if self.count("LIR") + self.count("HIR") == self.size:
                self.evict()
            self.takes_place(key)
        self.prune()
        return before in ("LIR", "HIR")

    def takes_place(self, key: int) -> None:
        if key not in self.stack and self.count("LIR") == self.most_lir:
            self.status[key] = "HIR"
            self.to_top(key)
            self.queue.append(key)
            return
        self.status[key] = "LIR"
        self.to_top(key)
        if self.count("LIR") > self.most_lir:
            bottom = [other for other in self.stack if self.status[other] == "LIR"][-1]
            self.status[bottom] = "HIR"
            self.queue.append(bottom)

    def evict(self) -> None:
        victim = self.queue.pop(0)
        if victim not in self.stack:
            del self.status[victim]
            return
        self.status[victim] = "GONE"
        self.gone.append(victim)
        if len(self.gone) > 2 * self.size:
            forgotten = self.gone.pop(0)
            self.stack.remove(forgotten)
            del self.status[forgotten]

    def prune(self) -> None:
        """The bottom of S is a LIR block."""
        while self.status[self.stack[-1]] != "LIR":
            bottom = self.stack.pop()
            if self.status[bottom] == "GONE":
                self.gone.remove(bottom)
                del self.status[bottom]

    def to_top(self, key: int) -> None:
        if key in self.stack:
            self.stack.remove(key)
        self.stack.insert(0, key)

    def count(self, status: str) -> int:
        return list(self.status.values()).count(status)


class PlainWTinyLfu:
    """Einziger, Friedman, Manes 2017: an LRU window, TinyLFU at the door, an SLRU as main cache."""

    def __init__(self, size: int) -> None:
        self.window_size = max(1, size // 100)
        self.main_size = size - self.window_size
        self.window: list[object] = []  # most recently used first, in all three
        self.probation: list[object] = []
        self.protected: list[object] = []
        self.counters: defaultdict[tuple[int, int], int] = defaultdict(int)
        self.length = next(2**n for n in range(64) if 2**n >= 4 * size)
        self.sample, self.uses = 10 * size, 0

    def access(self, key: object) -> bool:
        self.use(key)
        for segment in (self.window, self.probation, self.protected):
            if key in segment:
                segment.remove(key)
                self.hit(key, segment)
                return True
        self.window.insert(0, key)
        if len(self.window) > self.window_size:
            self.admit(self.window.pop())
        return False

    def hit(self, key: object, segment: list[object]) -> None:
        if segment is self.window:
            self.window.insert(0, key)
            return
        self.protected.insert(0, key)
        if len(self.protected) > 8 * self.main_size // 10:
            self.probation.insert(0, self.protected.pop())

    def admit(self, candidate: object) -> None:
        if len(self.probation) + len(self.protected) == self.main_size:
            victims = self.probation or self.protected
            if not victims or self.frequency(candidate) <= self.frequency(victims[-1]):
                return
            victims.pop()
        self.probation.insert(0, candidate)

    def use(self, key: object) -> None:
        for cell in self.cells(key):
            if self.counters[cell] < 15:
                self.counters[cell] += 1
        self.uses += 1
        if self.uses == self.sample:
            self.uses = self.sample // 2
            self.counters = defaultdict(int, {cell: count // 2 for cell, count in self.counters.items()})

    def frequency(self, key: object) -> int:
        return min(self.counters[cell] for cell in self.cells(key))

    def cells(self, key: object) -> list[tuple[int, int]]:
        high, low = divmod(splitmix64(stable_key(key)), 2**32)
        step = high if high % 2 else high + 1
        return [(row, (low + row * step) % self.length) for row in range(4)]


def perfect_lfu(stream: Sequence[int], size: int) -> list[set[int]]:
    """What LFU holds after each request if it forgets no count, the least recently used first among equals."""
    uses, last_use, held, contents = Counter[int](), dict[int, int](), set[int](), []
    for now, key in enumerate(stream):
        if key not in held and len(held) == size:
            held.remove(min(held, key=lambda other: (uses[other], last_use[other])))
        held.add(key)
        uses[key] += 1
        last_use[key] = now
        contents.append(set(held))
    return contents


def fewest_misses(stream: Sequence[int], size: int) -> int:
    """By trying every victim at every eviction."""
    reached = {frozenset[int](): 0}
    for key in stream:
        after: dict[frozenset[int], int] = {}
        for held, misses in reached.items():
            if key in held:
                choices, cost = [held], misses
            elif len(held) < size:
                choices, cost = [held | {key}], misses + 1
            else:
                choices, cost = [held - {victim} | {key} for victim in held], misses + 1
            for choice in choices:
                after[choice] = min(cost, after.get(choice, cost))
        reached = after
    return min(reached.values())
