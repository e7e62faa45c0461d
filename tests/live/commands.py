"""Random commands: all that the patterns use and might use, well formed and malformed.

Some things are not drawn, for too much differs after them (see `tests.live.differences`): an option twice; scripts that
set a global variable, give a fraction to Redis, call nothing or return several results; `XADD`, `XREAD` and `XTRIM` cut
short in a transaction; `XREAD` of what is no stream; `EXPIRE` and `PEXPIRE` by 0. Nor are `GT` and `LT`: between equal
lifetimes real time decides.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any

from hypothesis import strategies as st

from cachesim.patterns import scripts
from tests.live.answers import Command

__all__ = ["KEY_NAMES", "STEPS"]


def sometimes(*options: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    """None, one or two of these options, in any order; each is made of words and strategies for words."""
    each = st.one_of([words(*option) for option in options])
    two = st.lists(each, max_size=2, unique_by=lambda option: str(option[0]))
    return two.map(lambda chosen: sum(chosen, start=()))


def words(*parts: Any) -> st.SearchStrategy[Command]:
    """A command made of words, strategies for words, and strategies for several words in a tuple."""
    each = [part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts]
    several = [part.map(lambda word: word if isinstance(word, tuple) else (word,)) for part in each]
    return st.tuples(*several).map(lambda drawn: sum(drawn, start=()))


BINARY = b"\x00\xff\r\n"
KEY_NAMES: list[str | bytes] = ["a", "b", BINARY]
KEY = st.sampled_from(KEY_NAMES)
VALUE = st.sampled_from([0, 1, -3, 2**63 - 1, 1.5, "", "text", "é", " 1", "+1", "01", BINARY])
NUMBER = st.sampled_from([0, 1, 2, 5, -1, 2**63 - 1, -(2**63), 2**63, "1.5", "x", ""])
LIFETIME = st.sampled_from([60_000, 60_000, 3_600_000, 3_600_000, 0, -1, 2**54, 2**62, 2**63, "1.5", "x"])
LASTING = LIFETIME.filter(lambda time: time != 0)
CHANNEL = st.sampled_from(["news", "weather", BINARY])

STRINGS = st.one_of(
    words("GET", KEY),
    words("MGET", KEY, KEY),
    words("SET", KEY, VALUE),
    words("SET", KEY, VALUE, "PX", LIFETIME),
    words("SET", KEY, VALUE, sometimes(("NX",), ("XX",), ("GET",), ("KEEPTTL",), ("PX", LIFETIME), ("EX", LIFETIME))),
    words("STRLEN", KEY),
    words("GETRANGE", KEY, NUMBER, NUMBER),
    words("INCR", KEY),
    words("INCRBY", KEY, NUMBER),
)
GENERAL = st.one_of(
    words("DEL", KEY, KEY),
    words("UNLINK", KEY),
    words("EXISTS", KEY, KEY),
    words("TYPE", KEY),
    words("PTTL", KEY),
    words("PEXPIRETIME", KEY),
    words("PERSIST", KEY),
    words("PEXPIRE", KEY, LASTING, sometimes(("NX",), ("XX",))),
    words("EXPIRE", KEY, LASTING, sometimes(("NX",), ("XX",))),
    words("LPUSH", KEY, VALUE),
    words("HSET", KEY, "field", VALUE),
    words("PUBLISH", CHANNEL, VALUE),
    words("DBSIZE"),
    words("PING"),
    words("NOSUCH", VALUE),
    words("FLUSHALL"),
)

STREAM = st.sampled_from(["stream", "stream", "other", *KEY_NAMES])
ID = st.sampled_from(
    ["1-1", "1-2", "2-1", "2-*", "3", "5-5", "6-*", "0-0", "0", 10, f"{2**64 - 1}-{2**64 - 1}", "x", "1-x"]
)
BOUND = st.sampled_from(["-", "+", "0", "1", "1-1", "(1-1", "(1", "5-5", "x", "("])
TRIM = words(
    st.sampled_from([("MAXLEN",), ("MAXLEN", "="), ("MAXLEN", "~"), ("MINID",)]),
    st.sampled_from([0, 1, 2, 100, -1, "x"]),
)
COUNT = NUMBER.filter(lambda number: number != 0)  # with 0, Redis 7.0 answers nil over RESP2, and later servers do not
FIELDS = st.sampled_from([("f", "v"), ("f", 1, "g", BINARY), ("", ""), ("f",), ()])
STREAMS = st.one_of(
    words("XADD", STREAM, ID, FIELDS),
    words("XADD", STREAM, TRIM, ID, FIELDS),
    words("XADD", STREAM, "NOMKSTREAM", ID, FIELDS),
    words("XTRIM", STREAM, TRIM),
    words("XLEN", STREAM),
    words("XRANGE", STREAM, BOUND, BOUND),
    words("XRANGE", STREAM, BOUND, BOUND, "COUNT", COUNT),
    words("XREAD", "STREAMS", "stream", ID),
    words("XREAD", "COUNT", NUMBER, "STREAMS", "stream", "other", ID, st.sampled_from(["0", "$"])),
)

SCRIPTS = """
    return nil
    return false
    return true
    return 3.99
    return -3.99
    return 2^53
    return 'text'
    return {}
    return {1, false, 'x', {2, {3}}}
    return {1, nil, 3}
    return {ok = 'FINE'}
    return {err = 'MY error'}
    return {1, redis.status_reply('FINE'), redis.error_reply('MY error')}
    return redis.status_reply('FINE')
    return redis.error_reply('MY error')
    return redis.error_reply('my error')
    return {KEYS[1], ARGV[1], #KEYS, #ARGV, KEYS[9]}
    return ARGV[1] .. KEYS[1]
    return {tostring(ARGV[1]), type(ARGV[1]), tonumber(ARGV[1])}
    return redis.sha1hex(ARGV[1])
    return redis.call('GET', KEYS[1])
    return type(redis.call('GET', KEYS[1]))
    return redis.call('GET', KEYS[1]) == false
    return tonumber(redis.call('GET', KEYS[1]) or 0)
    return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
    return redis.call('SET', KEYS[1], ARGV[1])
    return redis.call('SET', KEYS[1], ARGV[1]).ok
    return redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000)
    return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return redis.call('SET', KEYS[1], ARGV[1], 'NX')
    return redis.call('SET', KEYS[1], ARGV[1], 'XX', 'GET')
    return redis.call('SET', KEYS[1], 3)
    return redis.call('SET', KEYS[1], 2^53)
    return redis.call('SET', KEYS[1], true)
    return redis.call('SET', KEYS[1], nil)
    return redis.call('MGET', KEYS[1], 'nothing')
    return redis.call('DEL', KEYS[1], 'nothing')
    return redis.call('EXISTS', KEYS[1])
    return redis.call('TYPE', KEYS[1])
    return redis.call('TYPE', KEYS[1]).ok
    return redis.call('PEXPIRE', KEYS[1], 60000)
    return redis.call('INCR', KEYS[1])
    return redis.call('INCRBY', KEYS[1], ARGV[1])
    return redis.call('GETRANGE', KEYS[1], 0, 1)
    return redis.call('XADD', KEYS[1], '7-7', 'f', ARGV[1])
    return redis.call('XRANGE', KEYS[1], '-', '+')
    return redis.call('PUBLISH', 'silence', ARGV[1])
    return redis.call('NOSUCH')
    return redis.call('GET')
    return redis.pcall('INCR', KEYS[1])
    return redis.pcall('NOSUCH')
    return redis.pcall('GET')
    local reply = redis.pcall('INCR', KEYS[1]) return type(reply) == 'table' and reply.err or reply
    redis.call('SET', KEYS[1], ARGV[1]) redis.call('INCR', KEYS[1]) return 'never told'
    redis.call('SET', KEYS[1], ARGV[1]) return redis.error_reply('MY error')
    redis.call('SET', KEYS[1], ARGV[1]) error('stop')
    redis.call('SET', KEYS[1], ARGV[1]) error({err = 'MY stop'})
    return nil + 1
    return nosuch
    this is not Lua
    return 1 -- a comment
    return cjson.encode({1, 'a'})
    return redis.call('EVAL', 'return 1', 0)
""".strip().split("\n    ")
SCRIPT = st.sampled_from(SCRIPTS)
SHORT = st.sampled_from(SCRIPTS[:4])
DIGEST = st.sampled_from([sha1(script.encode()).hexdigest() for script in SCRIPTS[:4]] + ["0" * 40, "x"])
SCRIPTING = st.one_of(
    words("EVAL", SCRIPT, 1, KEY, VALUE),
    words("EVAL", SCRIPT, 1, KEY, VALUE),
    words("EVAL", SCRIPT, 1, KEY, VALUE, LIFETIME),
    words("EVAL", SCRIPT, st.sampled_from([0, 2, 3, -1, "x"]), KEY, VALUE),
    words("EVALSHA", DIGEST, 1, KEY, VALUE),
    words("SCRIPT LOAD", SHORT),
    words("SCRIPT EXISTS", DIGEST, DIGEST),
    words("SCRIPT FLUSH"),
)

LEASE = st.sampled_from(["s1", "s2", "x1", "x2"])
MAKER, NUMBER = st.sampled_from(["s", "x"]), st.sampled_from([1, 2])
MILLISECONDS = st.sampled_from([60_000, 3_600_000])
MODE = st.sampled_from(["", "peek", "claim"])
OF_PATTERNS = st.one_of(
    words("EVAL", scripts.LOOK, 2, KEY, KEY, MAKER, NUMBER, MILLISECONDS, MODE, st.sampled_from(["", "x1", "x2"])),
    words("EVAL", scripts.STORE, 2, KEY, KEY, LEASE, VALUE, MILLISECONDS),
    words("EVAL", scripts.PUT, 2, KEY, KEY, VALUE, MILLISECONDS),
    words("EVAL", scripts.PUT_IF_NEWER, 2, KEY, KEY, VALUE, MILLISECONDS, st.integers(0, 2)),
    words("EVAL", scripts.RENEW, 1, KEY, LEASE, MILLISECONDS),
    words("EVAL", scripts.RELEASE, 1, KEY, LEASE, st.sampled_from(["", "!x1", "!x2"]), MILLISECONDS),
)

WELL_FORMED = st.one_of(STRINGS, GENERAL, STREAMS, SCRIPTING)
TOO_LONG = words(WELL_FORMED, VALUE)
TOO_SHORT = WELL_FORMED.filter(lambda command: len(command) > 1).map(lambda command: command[:-1])
COMMAND = st.one_of(WELL_FORMED, WELL_FORMED, WELL_FORMED, OF_PATTERNS, TOO_LONG, TOO_SHORT)
WHOLE = COMMAND.filter(lambda command: command[0] not in ("XADD", "XREAD", "XTRIM") or len(command) > 4)
STEPS = st.lists(
    st.one_of(
        COMMAND,
        COMMAND,
        COMMAND,
        st.tuples(st.just("PIPELINE"), st.just(False), st.lists(COMMAND, min_size=1, max_size=4)),
        st.tuples(st.just("PIPELINE"), st.just(True), st.lists(WHOLE, min_size=1, max_size=4)),
        words(st.sampled_from(["SUBSCRIBE", "UNSUBSCRIBE"]), CHANNEL),
        words("PSUBSCRIBE", st.sampled_from(["n*", "weather"])),
    ),
    max_size=20,
)
