"""Entry point of `python -m clients`."""

import sys

from clients.cli import main

sys.exit(main())
