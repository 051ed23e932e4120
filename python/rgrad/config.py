"""Settings of the whole package.

Attributes:
    compile: Whether functions given to ``rgrad.compile`` are recorded and replayed. False runs their own code, for
        debugging; so it is at first if the environment variable ``RGRAD_COMPILE`` is 0.
"""

import os

compile: bool = os.environ.get("RGRAD_COMPILE", "1") != "0"
