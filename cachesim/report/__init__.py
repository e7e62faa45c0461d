"""What a run leaves behind for others: a page for people (`page`), and JUnit XML for CI systems (`junit`).

In Python: `page(Summary.of(scenario, result), result)` is the page of a result as `cachesim.simulate` gives it.
"""

from cachesim.report.checks import junit, junit_of_failure
from cachesim.report.commands import Command
from cachesim.report.pages import page

__all__ = ["Command", "junit", "junit_of_failure", "page"]
