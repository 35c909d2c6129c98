"""`python -m minimalstyle.sweep`: see `commands.sweep`."""

import sys

from .commands.sweep import main

if __name__ == "__main__":
    sys.exit(main())
