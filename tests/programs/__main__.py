"""Command line of the generator of random programs."""

import argparse
import json
import sys

from programs.campaign import again, campaign
from programs.worker import work
from rgrad import _core


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m programs", description="Draws programs and compares their runs.")
    parser.add_argument("--seed", type=int, help="run one program again and print it, as small as it gets")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, help="how many programs; as many as there is time for if omitted")
    parser.add_argument("--seconds", type=float, default=1e9, help="how long to draw new ones")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes at once")
    parser.add_argument("--block", type=int, default=1000, help="how many programs a process runs")
    parser.add_argument("--isa", nargs="+", default=_core.available_isas(), help="on which instruction sets")
    parser.add_argument("--worker", metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        json.dump(work(given.start, given.count, given.worker).as_json(), sys.stdout)
        return 0
    if given.seed is not None:
        return 0 if again(given.seed) else 1
    print(f"programs from seed {given.start} on", flush=True)
    return 0 if campaign(given.start, given.count, given.seconds, given.jobs, given.block, given.isa) else 1


sys.exit(main())
