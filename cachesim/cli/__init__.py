"""The command `cachesim`: run, compare and sweep scenarios, find races, let CI check it; ask what a cache would give.

Results go to standard output, progress and diagnostics to standard error. Exit status: 0 done; 1 an expectation was
missed or an invariant is broken (with --check), or a run failed; 2 bad input, told in one line; 130 interrupted. What a
command needs is imported when it runs, so that `cachesim --help` is quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from cachesim.cli.advise import advise_command
from cachesim.cli.compare import compare_command
from cachesim.cli.completion import completed, completion_command
from cachesim.cli.curve import curve_command
from cachesim.cli.lab import lab_command
from cachesim.cli.races import races_command
from cachesim.cli.run import EXAMPLES, run_command
from cachesim.cli.scenarios import scenarios_command
from cachesim.cli.sweep import sweep_command
from cachesim.console import BAD_INPUT, DONE, FAILED, INTERRUPTED, Stop, tell, usage
from cachesim.messages import told

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (default: those of the process) and return its exit status."""
    try:
        status = _commands.main(argv if argv is None else list(argv), prog_name="cachesim", standalone_mode=False)
    except Stop as stop:
        tell(str(stop))
        return stop.status
    except click.ClickException as error:
        tell(usage(error))
        return BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        tell("interrupted")
        return INTERRUPTED
    except SystemExit:  # click's answer to a pipe that nobody reads any more
        return DONE
    except Exception as error:
        tell(told(error))
        return FAILED
    return int(status or DONE)


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # before click sees it, which would add an empty line
            raise Stop(INTERRUPTED, "interrupted") from None


@click.group(
    cls=_Commands,
    epilog=EXAMPLES,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="cachesim")
def _commands() -> None:
    """Watch caches break and see why the fix works, in simulated time."""


for _command in (
    *(run_command, scenarios_command, compare_command, sweep_command),
    *(curve_command, advise_command, races_command, lab_command, completion_command),
):
    _commands.add_command(completed(_command))
