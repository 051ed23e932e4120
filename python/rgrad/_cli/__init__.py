"""The command line, `python -m rgrad`."""

from rgrad._cli.commands import main as main
