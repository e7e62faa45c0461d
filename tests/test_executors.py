"""Pieces of work are done wherever they are sent, and none takes another with it."""

import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from cachesim.executors import Lost, outcomes


def misbehave(number: int) -> Any:
    match number:
        case 3:
            os._exit(7)
        case 5:
            time.sleep(600)
        case 6:
            raise SystemExit(3)
        case 7:
            raise ConnectionError("lost")
        case 8:
            os.kill(os.getpid(), 9)
    return 2 * number


def identity(value: Any) -> Any:
    return value


def told(lost: Any) -> str:
    """The reason, without the place in this file that it names."""
    reason, place, _ = lost.reason.partition(" (test_executors.py:")
    assert place
    return str(reason)


def test_on_processes_of_this_machine_what_goes_wrong_costs_itself_alone():
    found = dict(outcomes(misbehave, range(12), workers=2, time_limit=1.5))
    assert found.pop(3) == Lost("its process ended with exit status 7")
    assert found.pop(5) == Lost("did not return within 1.5 s")
    assert found.pop(6) == Lost("its process ended with exit status 3")
    assert told(found.pop(7)) == "ConnectionError: lost"
    assert found.pop(8) == Lost("its process was killed by signal 9")
    assert found == {number: 2 * number for number in (0, 1, 2, 4, 9, 10, 11)}


def test_crashes_side_by_side_cost_themselves_alone():
    found = [result for _, result in outcomes(misbehave, [0, 3, 3] * 2, workers=2)]
    assert found.count(0) == 2
    assert len(found) == 6


def test_what_cannot_be_read_by_a_process_is_told():
    found = list(outcomes(identity, [Unreadable(), 1], workers=1))
    assert told(found[0][1]) == "LookupError: there is none"
    assert found[1] == (1, 1)


class Unreadable:
    """It can be sent, and not be received."""

    def __reduce__(self) -> Any:
        return refuse, ()


def refuse() -> None:
    raise LookupError("there is none")


def test_nothing_to_do_starts_nothing():
    assert list(outcomes(identity, [], workers=2)) == []


def test_work_given_up_leaves_no_process():
    with closing(outcomes(misbehave, [1, 5, 5], workers=2)) as run:
        assert next(run) == (0, 2)
        assert active_children()
    assert not active_children()


def test_over_threads_an_exception_costs_itself_alone():
    with ThreadPoolExecutor(2) as pool:
        found = dict(outcomes(misbehave, [1, 7, 2], executor=pool))
    assert told(found.pop(1)) == "ConnectionError: lost"
    assert found == {0: 2, 2: 4}


def test_over_a_pool_that_breaks_the_rest_is_lost_and_told():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = dict(outcomes(misbehave, [1, 3, 2], executor=pool))
    assert found[0] in (2, found[1])
    assert isinstance(found[1], Lost)
    assert "BrokenProcessPool" in found[1].reason


SCRIPT = """
from cachesim.executors import outcomes
print(sorted(outcomes(abs, [-2, 3], workers=1)))
"""
OWN = """
from cachesim.executors import outcomes
def own(number): return number + 1
{guard}
    print(sorted(outcomes(own, [-2, 3], workers=1)))
"""


def run(script: str, tmp_path: Path, *, stdin: bool = False) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script.py"
    path.write_text(script)
    given = ["-"] if stdin else [str(path)]
    return subprocess.run(
        [sys.executable, *given], input=script, capture_output=True, text=True, check=False, timeout=60
    )


def test_a_script_needs_no_guard_as_its_processes_do_not_run_it(tmp_path):
    assert run(SCRIPT, tmp_path).stdout == "[(0, 2), (1, 3)]\n"


def test_what_comes_from_standard_input_works_too(tmp_path):
    assert run(SCRIPT, tmp_path, stdin=True).stdout == "[(0, 2), (1, 3)]\n"


def test_a_script_may_define_the_work_itself_under_a_guard(tmp_path):
    assert run(OWN.format(guard='if __name__ == "__main__":'), tmp_path).stdout == "[(0, -1), (1, 4)]\n"


def test_a_script_that_defines_the_work_without_a_guard_ends_and_is_told(tmp_path):
    ended = run(OWN.format(guard="if True:"), tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.rstrip().endswith('the rest belongs under if __name__ == "__main__":')
