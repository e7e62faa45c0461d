"""What other keys would give: how many there would be if what may not matter to the answer were left out.

For each key that a change would change, 12 bytes are kept: its number and the hash of what it would be.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cachesim.policies.hashing import stable_key

__all__ = ["Change", "KeyDesigns", "changes"]

WITHOUT_QUERY = "without the query string"

_PARAMETERS = 32
"""So many names of parameters are looked at, those that come first: some names are seen just once, as if values."""


class Change(NamedTuple):
    """A change of the keys, in words, and what it would do."""

    name: str
    changed: int
    """Keys that would be others."""

    keys: int
    """How many keys there would be."""


class KeyDesigns:
    """What each change would make of the keys of a stream."""

    def __init__(self) -> None:
        self._changed: dict[str, tuple[array[int], array[int]]] = {}

    def add(self, first: int, keys: Iterable[str]) -> None:
        """New keys, numbered from `first` on."""
        for number, key in enumerate(keys, first):
            for name, after in changes(key):
                if name not in self._changed:
                    if len(self._changed) >= _PARAMETERS and "parameter" in name:
                        continue
                    self._changed[name] = array("i"), array("Q")
                numbers, hashes = self._changed[name]
                numbers.append(number)
                hashes.append(stable_key(after))

    def after(self, name: str, stable_keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The hashes of the keys there would be, each once, rising; `stable_keys`: of those there are, by number."""
        if name not in self._changed:
            return np.unique(stable_keys)
        numbers, hashes = self._changed[name]
        kept = np.delete(stable_keys, np.frombuffer(numbers, np.int32))
        return np.unique(np.concatenate([kept, np.frombuffer(hashes, np.uint64)]))

    def found(self, stable_keys: NDArray[np.uint64]) -> list[Change]:
        """Every change that makes the keys fewer, the one that leaves the fewest first."""
        found = [
            Change(name, len(numbers), len(self.after(name, stable_keys)))
            for name, (numbers, _) in self._changed.items()
        ]
        return sorted((change for change in found if change.keys < len(stable_keys)), key=lambda change: change.keys)


def changes(key: str) -> Iterator[tuple[str, str]]:
    """What may be left out of this key, in words, and the key without it.

    >>> dict(changes("/a/?x=1&sid=7"))["without the parameter sid"]
    '/a/?x=1'
    >>> [name for name, _ in changes("/a/;jsessionid=7")]
    ['without what follows the semicolon']
    """
    path, question, query = key.partition("?")
    if question:
        yield WITHOUT_QUERY, path
        parameters = query.split("&")
        names = [parameter.partition("=")[0] for parameter in parameters]
        if parameters != (ordered := sorted(parameters)):
            yield "with the parameters in one order", f"{path}?{'&'.join(ordered)}"
        for name in dict.fromkeys(names):
            rest = "&".join(parameter for parameter, of in zip(parameters, names, strict=True) if of != name)
            yield f"without the parameter {name}", f"{path}?{rest}" if rest else path
    bare, semicolon, _ = path.partition(";")
    if semicolon:
        yield "without what follows the semicolon", bare + question + query
    elif len(path) > 1 and path.endswith("/"):
        yield "without the slash at the end", path.rstrip("/") + question + query
