"""fakeredis and the simulated Redis answer as a real server does, but for the differences that are listed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.answers import Answer, Command, answers_to, on_fakeredis, on_the_server, on_the_simulated_redis
from tests.live.commands import KEY_NAMES, STEPS
from tests.live.differences import DIFFERENCES, known

WHAT_IS_LEFT: list[Command] = [
    (name, key) for key in (*KEY_NAMES, "stream", "other") for name in ("TYPE", "PTTL", "GET", "XLEN")
]


@settings(max_examples=300)
@given(steps=STEPS, protocol=st.sampled_from([2, 3]))
def test_any_commands_are_answered_as_by_the_server_and_leave_the_same_behind(redis_server, steps, protocol):
    program = answers_to([*steps, *WHAT_IS_LEFT])
    real = on_the_server(redis_server, program, protocol=protocol)
    assert first_unknown(real, on_fakeredis(program, protocol=protocol)) is None
    assert first_unknown(real, on_the_simulated_redis(program, protocol=protocol)) is None


def test_a_lifetime_is_made_longer_or_shorter_when_asked_for_as_by_the_server(redis_server):
    steps: list[Command] = [("SET", "a", 1), ("SET", "b", 1, "PX", 600_000)]
    for milliseconds in (60_000, 3_600_000, 300_000, 1_200_000):
        for option in ("GT", "LT"):
            for key in ("a", "b", "c"):
                steps += [("PEXPIRE", key, milliseconds, option), ("PTTL", key)]
                milliseconds += 20_000  # never twice the same
    steps += [
        ("PEXPIRE", "b", 60_000, *options) for options in (("GT", "LT"), ("GT", "XX"), ("LT", "XX"), ("NX", "GT"))
    ]
    program = answers_to(steps)
    real = on_the_server(redis_server, program)
    assert first_unknown(real, on_fakeredis(program)) is None
    assert first_unknown(real, on_the_simulated_redis(program)) is None


def test_a_stream_is_trimmed_as_roughly_as_by_the_server(redis_server):
    steps: list[Command] = []
    for number in range(1, 351):
        steps += [("XADD", "stream", "MAXLEN", "~", 10, f"{number}-1", "field", "value"), ("XLEN", "stream")]
    program = answers_to(steps)
    real = on_the_server(redis_server, program)
    assert real == on_fakeredis(program) == on_the_simulated_redis(program)
    assert max(int(answer) for command, answer in real if command[0] == "XLEN") > 50


def first_unknown(real: list[Answer], fake: list[Answer]) -> tuple[Command, str, str] | None:
    """The first command with a difference that is not listed, and both answers."""
    for (command, server), (_, fakeredis) in zip(real, fake, strict=False):
        if server == fakeredis:
            continue
        if not known(server, fakeredis):
            return command, server, fakeredis
        if "Error: " not in server or "Error: " not in fakeredis:
            return None  # from here on they may hold different things
    return None


each_difference = pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.about)


@each_difference
def test_fakeredis_still_answers_otherwise(difference):
    program = answers_to(difference.commands)
    assert on_fakeredis(program)[-1][1] == difference.fakeredis
    assert on_the_simulated_redis(program)[-1][1] == difference.fakeredis


@each_difference
def test_the_server_still_answers_as_listed(redis_server, difference):
    if not redis_server.version.startswith("valkey 8."):
        pytest.skip(f"told as Valkey 8 words it; this is {redis_server.version}")
    assert on_the_server(redis_server, answers_to(difference.commands))[-1][1] == difference.server


@each_difference
def test_a_pattern_fits_the_difference_it_stands_for(difference):
    if difference.alike:
        assert known(difference.server, difference.fakeredis)
