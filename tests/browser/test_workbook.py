"""Every notebook in JupyterLab: it runs, each control moves picture and numbers, and the page does not complain.

The first is read more closely in `test_start_here.py`.
"""

from __future__ import annotations

import pytest

from tests.browser.controls import check_explorers
from tests.lab import outputs

OTHERS = [path.name for path in outputs.NOTEBOOKS if path.stem != "00_start_here"]


@pytest.mark.parametrize("name", OTHERS)
def test_runs_and_every_control_of_its_explorers_works(lab, name):
    with lab.open(name) as notebook:
        notebook.run_all()
        outputs.check(notebook.save())
        check_explorers(notebook)
        outputs.check(notebook.save())
    assert notebook.complaints == []
