"""`python -m cachesim`: the command `cachesim`."""

import sys

from cachesim.cli import main

sys.exit(main())
