r"""Access logs of web servers, in the common or the combined format, with or without fields of one's own after them.

    192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /products/7?page=2 HTTP/1.1" 200 2326 "-" "curl/8.5.0"

Sources: Apache, mod_log_config (`common` is `%h %l %u %t "%r" %>s %b`; `combined` adds Referer and User-Agent); nginx,
ngx_http_log_module (`combined`). A line is written when its request has been answered; Apache tells when it arrived,
nginx when it was answered. The size is that of the body sent, `-` is none. Apache writes a quotation mark in a path as
`\"`, nginx as `\x22`: keys are left as they were written.
"""

from __future__ import annotations

import re
from calendar import timegm
from functools import partial

import numpy as np

from cachesim.traces.logs import Log, Row
from cachesim.traces.records import Operations

__all__ = ["access_log"]

_MONTHS = {name: month for month, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_LINE = re.compile(
    rf"""^(?:
        \S+\ \S+\ \S+\                                           # client, identity, user
        \[((?:0[1-9]|[12]\d|3[01])/(?:{"|".join(_MONTHS)})/[12]\d{{3}}
            :(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)\ [+-]\d{{4}})\]\ # when
        "([A-Z][A-Z_-]*)\                                        # method
        ([^"\\\s]*(?:\\.[^"\\\s]*)*)                             # path and query
        (?:\ HTTP/[\d.]+)?"\                                     # version; there was none in HTTP/0.9
        (\d{{3}})\ (\d{{1,18}}|-)                                # status, bytes
        (?:[ \t\r].*)?                                           # Referer, User-Agent, fields of one's own
        |[ \t\r]*
        |(.*)
    )$""",
    re.MULTILINE | re.VERBOSE | re.ASCII,
)


def access_log(*, query: bool) -> Log:
    """The form of an access log, its keys being paths, with the query string or without."""
    name = "a request as an access log has it (common or combined format)"
    return Log(name, _LINE, partial(_operations, query=query))


def _operations(rows: list[Row], *, query: bool) -> Operations:
    stamps, names, paths, statuses, sizes, _ = map(list, zip(*rows, strict=True)) if rows else [[]] * 6
    seconds = {stamp: _seconds(stamp) for stamp in set(stamps)}  # many requests share one
    return Operations(
        names,
        paths if query else [path.partition("?")[0] for path in paths],
        np.array([seconds[stamp] for stamp in stamps], np.float64),
        np.array(statuses).astype(np.int16),
        np.array([0 if size == "-" else int(size) for size in sizes], np.int64),
    )


def _seconds(stamp: str) -> float:
    """Since 1970 in UTC.

    >>> _seconds("01/Jan/1970:01:00:07 +0100")
    7.0
    """
    date, hour, minute, second = stamp[:20].split(":")
    day, month, year = date.split("/")
    ahead = int(stamp[21] + "1") * (int(stamp[22:24]) * 3600 + int(stamp[24:]) * 60)
    return float(timegm((int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second))) - ahead)
