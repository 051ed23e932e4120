"""Settings of the whole package.

Attributes:
    compile: Whether functions passed to ``rgrad.compile`` are recorded and replayed. If False, they run eagerly, for
        debugging. Initially True, unless the environment variable ``RGRAD_COMPILE`` is 0.
"""

import os

compile: bool = os.environ.get("RGRAD_COMPILE", "1") != "0"
