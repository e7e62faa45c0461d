"""Where fakeredis answers otherwise than the server: each difference found, with the shortest commands that show it."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.live.answers import Command


class Difference(NamedTuple):
    """The last of these commands is answered differently.

    `alike`: a pattern over both answers, on two lines, of the same difference in other commands.
    """

    about: str
    commands: list[Command]
    server: str
    fakeredis: str
    alike: str = ""


def known(server: str, fakeredis: str) -> bool:
    """Whether these answers to a command drawn at random differ as is listed: like a pattern, or in the same words."""
    same = any((server, fakeredis) == (each.server, each.fakeredis) for each in WORDS)
    return same or any(re.fullmatch(each.alike, f"{server}\n{fakeredis}") for each in DIFFERENCES if each.alike)


IN_SCRIPT = r" script: SHA, on @user_script:\d+\."
RUNNING = r"ResponseError: Error running script \(call to f_SHA\): @user_script:\?: "

VALUES = [  # what is answered
    Difference(
        "a lifetime too long to add up",
        [("SET", "key", "value"), ("EXPIRE", "key", 2**54)],
        "ResponseError: invalid expire time in 'expire' command",
        "True",
        r"ResponseError: invalid expire time in 'p?expire' command\n(False|True)",
    ),
    Difference(
        "an option twice, the first time wrong",
        [("SET", "key", "value", "PX", "x", "PX", 60_000)],
        "True",
        "ResponseError: value is not an integer or out of range",
    ),
    Difference(
        "a fraction that a script gives to Redis",
        [("EVAL", "return redis.call('SET', 'key', 0.1)", 0), ("GET", "key")],
        "b'0.1'",
        "b'0.10000000000000001'",
    ),
    Difference(
        "a whole number beyond 2^53 that a script gets from Redis",
        [("SET", "key", 2**63 - 1), ("EVAL", "return redis.call('INCRBY', 'key', 0)", 0)],
        "-9223372036854775808",
        "9223372036854780000",
        r"(.*)-9223372036854775808(\)?)\n(?:\1)9223372036854780000\2",
    ),
    Difference(
        "a malformed command in a transaction, which the server refuses whole",
        [("PIPELINE", True, [("INCR", "key"), ("XADD", "stream", "1-1")]), ("GET", "key")],
        "None",
        "b'1'",
    ),
    Difference(
        "a global variable that is not there",
        [("EVAL", "return nosuch", 0)],
        "ResponseError: user_script:1: Script attempted to access nonexistent global variable 'nosuch'"
        " script: SHA, on @user_script:1.",
        "None",
        rf"ResponseError: .* nonexistent global variable '\w+'{IN_SCRIPT}\nNone",
    ),
    Difference(
        "several results",
        [("EVAL", "return unpack(ARGV)", 0, "a", "b")],
        "b'a'",
        "AssertionError: Invalid response type for (b'a', b'b')",
    ),
    Difference(
        "a script after one that set a global variable",
        [("EVAL", "nosuch = 1", 0), ("EVAL", "return 1", 0)],
        "1",
        "ResponseError: Script attempted to set global variables: nosuch",
    ),
    Difference(
        "the function sha1hex",
        [("EVAL", "return redis.sha1hex('')", 0)],
        "b'da39a3ee5e6b4b0d3255bfef95601890afd80709'",
        "ResponseError: Error running script (call to f_SHA): @user_script:?:"
        """ [string "<python>"]:1: attempt to call field 'sha1hex' (a nil value)""",
        rf"b'[0-9a-f]{{40}}'\n{RUNNING}.* attempt to call field 'sha1hex' \(a nil value\)",
    ),
    Difference(
        "a stream that is something else",
        [("SET", "key", "text"), ("XREAD", "STREAMS", "key", "0")],
        "ResponseError: WRONGTYPE Operation against a key holding the wrong kind of value",
        "AttributeError: 'bytes' object has no attribute 'irange'",
        r"ResponseError: WRONGTYPE Operation .*\nAttributeError: '\w+' object has no attribute '\w+'",
    ),
    Difference(
        "nothing to call",
        [("EVAL", "return redis.call()", 0)],
        "ResponseError: Please specify at least one argument for this call script: SHA, on @user_script:1.",
        "TypeError: ScriptingCommandsMixin._get_server_runtime.<locals>.make_redis_call_wrapper.<locals>.wrapper()"
        " missing 1 required positional argument: 'op'",
    ),
]

WORDS = [  # what an error is called
    Difference(
        "a script that is not loaded",
        [("EVALSHA", "0" * 40, 0)],
        "NoScriptError: No matching script.",
        "NoScriptError: No matching script. Please use EVAL.",
    ),
    Difference(
        "an unknown command",
        [("NOSUCH", "argument")],
        "ResponseError: unknown command 'NOSUCH', with args beginning with: 'argument' ",
        "ResponseError: unknown command 'nosuch', with args beginning with: ",
        r"(ResponseError: unknown command )'NOSUCH'(, with args beginning with: ).*\n\1'nosuch'\2",
    ),
    Difference(
        "where in a script an error was",
        [("EVAL", "return redis.call('INCRBY', 'key', 'x')", 0)],
        "ResponseError: value is not an integer or out of range script: SHA, on @user_script:1.",
        "ResponseError: value is not an integer or out of range",
        rf"(\w+Error: .*){IN_SCRIPT}\n\1",
    ),
    Difference(
        "the name of a command of two words",
        [("SCRIPT LOAD",)],
        "ResponseError: wrong number of arguments for 'script|load' command",
        "ResponseError: wrong number of arguments for 'script load' command",
        r"(ResponseError: wrong number of arguments for )'script\|(\w+)' command\n\1'script \2' command",
    ),
    Difference(
        "a script and something more",
        [("SCRIPT LOAD", "return 1", "more")],
        "ResponseError: wrong number of arguments for 'script|load' command",
        "ResponseError: Unknown SCRIPT subcommand or wrong # of args.",
    ),
    Difference(
        "an option of a flush of scripts",
        [("SCRIPT FLUSH", "NONSENSE")],
        "ResponseError: SCRIPT FLUSH only support SYNC|ASYNC option",
        "ResponseError: Unknown SCRIPT subcommand or wrong # of args.",
    ),
    Difference(
        "a lifetime that cannot be",
        [("SET", "key", "value", "PX", 0)],
        "ResponseError: invalid expire time in 'set' command",
        "ResponseError: invalid expire time in set",
    ),
    Difference(
        "which of two mistakes in an option is told",
        [("SET", "key", "value", "PX", "x", "NONSENSE")],
        "ResponseError: syntax error",
        "ResponseError: value is not an integer or out of range",
        r"ResponseError: syntax error\nResponseError: (value is not an integer|invalid expire time in set).*",
    ),
    Difference(
        "which of two mistakes in a lifetime is told",
        [("EXPIRE", "key", "x", "NX", "XX")],
        "ResponseError: NX and XX, GT or LT options at the same time are not compatible",
        "ResponseError: value is not an integer or out of range",
        r"ResponseError: (NX and XX, GT or LT |GT and LT |Unsupported )option.*"
        r"\nResponseError: value is not an integer or out of range",
    ),
    Difference(
        "options that exclude each other",
        [("EXPIRE", "key", 60, "GT", "LT")],
        "ResponseError: GT and LT options at the same time are not compatible",
        "ResponseError: NX and XX, GT or LT options at the same time are not compatible",
    ),
    Difference(
        "bytes in what an error quotes",
        [("EXPIRE", "key", 60, b"a\x00b")],
        "ResponseError: Unsupported option a",
        "ResponseError: Unsupported option a\x00b",
        r"(ResponseError: Unsupported option ).*\n\1(.|\s)*",
    ),
    Difference(
        "a stream without an id",
        [("XREAD", "STREAMS", "stream")],
        "ResponseError: wrong number of arguments for 'xread' command",
        "ResponseError: syntax error",
    ),
    Difference(
        "two streams and one id",
        [("XREAD", "STREAMS", "a", "b", "0")],
        "ResponseError: Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
        "ResponseError: syntax error",
        r"ResponseError: Unbalanced ('xread'|XREAD) list of streams: .*\nResponseError: syntax error",
    ),
    Difference(
        "which of two mistakes in a read is told",
        [("SET", "key", "text"), ("XREAD", "STREAMS", "key", "x")],
        "ResponseError: WRONGTYPE Operation against a key holding the wrong kind of value",
        "ResponseError: Invalid stream ID specified as stream command argument",
    ),
    Difference(
        "arguments that are neither text nor number",
        [("EVAL", "return redis.call('GET', nil)", 0)],
        "ResponseError: Command arguments must be strings or integers script: SHA, on @user_script:1.",
        "ResponseError: Lua redis lib command arguments must be strings or integers",
        rf"(.*)Command( arguments must be strings or integers)({IN_SCRIPT})?('?)\n\1Lua redis lib command\2\4",
    ),
    Difference(
        "an unknown command in a script",
        [("EVAL", "return redis.call('NOSUCH')", 0)],
        "ResponseError: Unknown command called from script script: SHA, on @user_script:1.",
        "ResponseError: unknown command 'nosuch', with args beginning with: ",
        rf"ResponseError: Unknown( Redis)? command called from script({IN_SCRIPT})?\n.*: unknown command 'nosuch'.*",
    ),
    Difference(
        "the wrong number of arguments in a script",
        [("EVAL", "return redis.call('GET')", 0)],
        "ResponseError: Wrong number of args calling command from script script: SHA, on @user_script:1.",
        "ResponseError: Wrong number of args calling Redis command from script",
        rf"ResponseError: Wrong number of args calling command (from script)({IN_SCRIPT})?\n.* Redis command \1",
    ),
    Difference(
        "a script in a script",
        [("EVAL", "return redis.call('EVAL', 'return 1', 0)", 0)],
        "ResponseError: This Redis command is not allowed from script script: SHA, on @user_script:1.",
        "ResponseError: This Redis command is not allowed from scripts",
    ),
    Difference(
        "a script that does not compile",
        [("EVAL", "this is not Lua", 0)],
        "ResponseError: Error compiling script (new function): user_script:1: '=' expected near 'is'",
        "ResponseError: Error running script (call to f_SHA): @user_script:?:"
        """ error loading code: [string "<python>"]:1: '=' expected near 'is'""",
    ),
    Difference(
        "an error of Lua's",
        [("EVAL", "error('stop')", 0)],
        "ResponseError: user_script:1: stop script: SHA, on @user_script:1.",
        """ResponseError: Error running script (call to f_SHA): @user_script:?: [string "<python>"]:1: stop""",
        rf"""ResponseError: user_script(:\d+: .*){IN_SCRIPT}\n{RUNNING}\[string "<python>"\]\1""",
    ),
    Difference(
        "an error of the script's own, thrown",
        [("EVAL", "error({err = 'MY stop'})", 0)],
        "ResponseError: MY stop script: SHA, on @user_script:1.",
        "ResponseError: Error running script (call to f_SHA): @user_script:?: ",
    ),
    Difference(
        "a global variable set",
        [("EVAL", "nosuch = 1", 0)],
        "ResponseError: user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1.",
        "ResponseError: Script attempted to set global variables: nosuch",
    ),
    Difference(
        "a field of a hash without a value",
        [("HSET", "key", "a", 1, "b")],
        "ResponseError: wrong number of arguments for 'hset' command",
        "ResponseError: Wrong number of args calling Redis command from script",
    ),
]

DIFFERENCES = VALUES + WORDS
