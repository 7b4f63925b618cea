"""`python -m clew.cli`, where `clew` is not on the path."""

import sys

from clew.cli import main

sys.exit(main())
