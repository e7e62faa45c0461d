"""LIRS: low inter-reference recency set.

Jiang, Zhang, LIRS: An Efficient Low Inter-reference Recency Set Replacement Policy to Improve Buffer Cache Performance,
SIGMETRICS 2002. Keys whose last two uses lay close to each other (LIR) stay; the others (HIR) pass through a short
queue. The stack S shows what is close: a HIR key that is used while S still holds it was used again sooner than the
oldest LIR key.

        S, by last use                 Q, resident HIR
        ┌───────────────────┐         ┌──────────────────┐
    ───►│ LIR and HIR keys, │    ───► │ FIFO 1 %         ├──► evict; what S holds of it is remembered
    use │ evicted ones too  │         └──▲───────────────┘
        ├───────────────────┤            │
        │ the oldest LIR    ├────────────┘  when a HIR key in S is used, that becomes LIR, and this HIR;
        └───────────────────┘               then S is pruned: HIR keys below its oldest LIR key leave it
"""

from __future__ import annotations

from collections import OrderedDict

from cachesim.policies.policy import K, Policy, V

__all__ = ["Lirs"]


class Lirs(Policy[K, V]):
    """Evicts the oldest key of Q.

    Q has one entry in a hundred, rounded down and at least one; LIR keys the rest, and until they are so many a new or
    used key becomes LIR at once. The paper leaves S unlimited; here it remembers at most twice as many evicted keys as
    the cache has entries: of more, the one evicted first leaves S. A cache of one has no LIR key.

    From the paper. Held against a plain second version in the tests.

    >>> cache = Lirs(3)
    >>> for key in "abcd":  # a and b are LIR; d evicts c, which S remembers
    ...     cache[key] = key
    >>> cache["c"] = "c"  # back in time: c becomes LIR and a HIR
    >>> cache["e"] = "e"
    >>> sorted(cache)
    ['b', 'c', 'e']
    """

    weighs = False

    def _start(self) -> None:
        size = int(self.maxsize)
        self._lir_limit = size - max(1, size // 100)
        self._remembered_limit = 2 * size
        self._stack: OrderedDict[K, None] = OrderedDict()
        """S: the key used last is the last."""
        self._queue: OrderedDict[K, None] = OrderedDict()
        """Q: the oldest is the first."""
        self._lir: set[K] = set()
        self._remembered: OrderedDict[K, None] = OrderedDict()
        """Evicted keys that S holds, the one evicted first is the first."""

    def _hit(self, key: K) -> None:
        if key in self._lir:
            self._stack.move_to_end(key)
            self._prune()
        else:
            del self._queue[key]
            self._insert(key)

    def _arrive(self, key: K) -> None:
        self._remembered.pop(key, None)  # S keeps it, whatever is evicted now

    def _insert(self, key: K) -> None:
        becomes_lir = key in self._stack or len(self._lir) < self._lir_limit
        self._stack[key] = None
        self._stack.move_to_end(key)
        if not becomes_lir:
            self._queue[key] = None
            return
        self._lir.add(key)
        self._prune()
        if len(self._lir) > self._lir_limit:
            oldest, _ = self._stack.popitem(last=False)
            self._lir.remove(oldest)
            self._queue[oldest] = None
            self._prune()

    def _evict(self) -> K:
        if not self._queue:  # only LIR keys are left, after deletions
            key, _ = self._stack.popitem(last=False)
            self._lir.remove(key)
            self._prune()
            return key
        key, _ = self._queue.popitem(last=False)
        if key in self._stack:
            self._remembered[key] = None
            if len(self._remembered) > self._remembered_limit:
                forgotten, _ = self._remembered.popitem(last=False)
                del self._stack[forgotten]
        return key

    def _remove(self, key: K) -> None:
        self._stack.pop(key, None)
        self._queue.pop(key, None)
        self._lir.discard(key)
        self._prune()

    def _prune(self) -> None:
        """Take the HIR keys below the oldest LIR key out of S."""
        while self._stack and (oldest := next(iter(self._stack))) not in self._lir:
            del self._stack[oldest]
            self._remembered.pop(oldest, None)
