"""How many values a cache in memory holds, where its library has a bound."""

SIZE = 10_000
"""As the pattern `in-process`."""
