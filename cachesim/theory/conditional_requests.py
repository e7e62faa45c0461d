"""What 304 (Not Modified) saves: clients that keep a page and its tag, and a page that changes now and then.

Each of n clients visits as a Poisson process of rate a, `visit_rate` per second; the page changes as a Poisson process
of rate mu, `change_rate` per second. A visit is answered 304 when nothing has changed since the same client's last one.
"""

from __future__ import annotations

from math import sqrt

__all__ = ["not_modified_error", "not_modified_ratio"]


def not_modified_ratio(visit_rate: float, change_rate: float) -> float:
    """The share of visits that are answered 304: a / (a + mu), however many clients there are.

    Look back from a visit: the last event of the client and the page together was a visit rather than a change with the
    probability of its share of the rates (competing exponential times).

    >>> round(not_modified_ratio(visit_rate=1 / 10, change_rate=1 / 60), 4)
    0.8571
    """
    return visit_rate / (visit_rate + change_rate)


def not_modified_error(clients: int, visit_rate: float, change_rate: float, duration: float) -> float:
    """How far the share of 304 of a run of `duration` seconds strays from `not_modified_ratio`, as a standard error.

    A change makes the next visit of *every* client a full answer, so the visits of a run are not independent; the times
    L between changes are. In each, client i visits v_i times, a Poisson number of mean a L, and gets one full answer if
    it visits at all: b_i = 1 if v_i > 0. With p = mu / (a + mu) the share strays by the sum of b_i - p v_i, of mean
    0, over n a E[L] visits (renewal and reward, as in `cycles`). Approximate: for many changes in a run.

    >>> round(not_modified_error(clients=50, visit_rate=1 / 10, change_rate=1 / 60, duration=3600), 4)
    0.0164
    """
    a, mu = visit_rate, change_rate
    p = mu / (a + mu)
    none, twice_none = p, mu / (mu + 2 * a)  # the means of e^(-a L) and e^(-2 a L)
    visits, weighted = a / mu, a * mu / (a + mu) ** 2  # those of a L and a L e^(-a L)
    given_length = none - twice_none - 2 * p * weighted + p**2 * visits
    of_length = 1 + twice_none + 2 * (p * visits) ** 2 - 2 * none - 2 * p * visits + 2 * p * weighted
    per_change = clients * given_length + clients**2 * of_length
    return sqrt(per_change / (mu * duration)) / (clients * visits)
