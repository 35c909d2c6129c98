"""`python -m minimalstyle`."""

import sys

from .commands.paint import main

if __name__ == "__main__":
    sys.exit(main())
