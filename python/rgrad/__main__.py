"""`python -m rgrad`: see `rgrad._cli`."""

import sys

from rgrad._cli import main

if __name__ == "__main__":
    sys.exit(main())
