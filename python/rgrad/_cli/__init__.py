"""The command line, `rgrad` or `python -m rgrad`."""

from rgrad._cli.commands import main as main


def entry() -> None:
    """The script `rgrad`."""
    raise SystemExit(main())
