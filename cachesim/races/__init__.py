"""Races: one small scenario under many schedules, in search of one that breaks a promise of its cache."""

from cachesim.races.finding import DivergedError, Search, find_race, search
from cachesim.races.history import History
from cachesim.races.invariants import INVARIANTS, Broken, Invariant
from cachesim.races.race import Race

__all__ = ["INVARIANTS", "Broken", "DivergedError", "History", "Invariant", "Race", "Search", "find_race", "search"]
