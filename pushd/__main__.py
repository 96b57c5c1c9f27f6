"""`python -m pushd` is the same program as `pushd`."""

import sys

from pushd.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
