"""Command line of the generator of random programs."""

import argparse
import sys
from pathlib import Path

from programs.campaign import again, campaign
from programs.worker import work


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m programs", description="Draws programs and compares their runs.")
    parser.add_argument("--seed", type=int, help="run one program again and print it, as small as it gets")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, help="how many programs; as many as there is time for if omitted")
    parser.add_argument("--seconds", type=float, default=1e9, help="how long to draw new ones")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes at once")
    parser.add_argument("--block", type=int, default=1000, help="how many programs a process runs")
    parser.add_argument("--worker", nargs=3, metavar=("PROGRAMS", "LINES", "TURN"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        kept, output, turn = given.worker
        work(Path(kept), Path(output), given.start, given.count, int(turn))
        return 0
    if given.seed is not None:
        return 0 if again(given.seed) else 1
    print(f"programs from seed {given.start} on", flush=True)
    return 0 if campaign(given.start, given.count, given.seconds, given.jobs, given.block) else 1


sys.exit(main())
