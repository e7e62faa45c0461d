"""A shop: a real SQL database of products, in memory, that counts its queries."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

__all__ = ["Shop"]


class Shop:
    """A table of products by id; `queries` counts the SELECTs.

    >>> import asyncio
    >>> shop = Shop({"1": "tea", "2": "cup"})
    >>> asyncio.run(shop.read_many(["2", "99", "2", "1"])), shop.queries  # one row for 2, none for 99
    ({'1': 'tea', '2': 'cup'}, 1)
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.queries = 0
        self._table = sqlite3.connect(":memory:")
        self._table.execute("CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID")
        self._table.executemany("INSERT INTO products VALUES (?, ?)", names.items())

    async def read(self, product: str) -> str | None:
        """The name of a product; None if there is none."""
        return (await self.read_many([product])).get(product)

    async def read_many(self, products: Sequence[str]) -> dict[str, str]:
        """The rows that the database returns: one for each product that there is."""
        self.queries += 1
        marks = ", ".join("?" * len(products))
        return dict(self._table.execute(f"SELECT id, name FROM products WHERE id IN ({marks})", products))
