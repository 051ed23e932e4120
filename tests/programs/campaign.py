"""Many programs: blocks of seeds on every instruction set, each block in a process of its own, and a summary."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from programs.program import script
from programs.worker import Found
from rgrad import _core

#: A program takes milliseconds, and a shrunk one seconds.
HANGS_AFTER = 60.0


@dataclass
class Job:
    """A process at work on a block."""

    start: int
    count: int
    isa: str
    folder: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.progress = self.folder / f"{self.isa}-{self.start}"
        self.output = self.folder / f"{self.isa}-{self.start}.json"
        command = [sys.executable, "-m", "programs", "--worker", str(self.progress)]
        command += ["--start", str(self.start), "--count", str(self.count)]
        path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "RGRAD_ISA": self.isa, "PYTHONPATH": path, "RUST_BACKTRACE": "0"}
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.PIPE)

    def at(self) -> tuple[int, float]:
        """The seed at work, and since when."""
        try:
            return struct.unpack("<qd", self.progress.read_bytes())
        except (OSError, struct.error):
            return self.start, time.time()


@dataclass
class Summary:
    """What a campaign has seen so far."""

    programs: int = 0
    faults: dict[str, list[Found]] = field(default_factory=lambda: defaultdict(list))
    refusals: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)

    def add_fault(self, found: Found) -> None:
        group = self.faults[found.group if found.source else f"{found.kind} (not shrunk)"]
        group.append(found)
        if len(group) == 1 and found.source:
            print(f"\nseed {found.seed}: {found.kind}: {found.detail[:300]}\n{found.source}", flush=True)

    def add(self, start: int, blocks: dict[str, dict[str, Any]]) -> None:
        """A block that every instruction set has done."""
        first, *others = blocks
        self.programs += len(blocks[first]["digests"])
        for name in ("refusals", "errors", "drawn"):
            getattr(self, name).update(blocks[first][name])
        for isa in blocks:
            for fault in blocks[isa]["faults"]:
                self.add_fault(Found(**fault))
        for isa in others:
            for i, (a, b) in enumerate(zip(blocks[first]["digests"], blocks[isa]["digests"], strict=True)):
                if a != b:
                    self.add_fault(Found(start + i, f"{first} and {isa}", "other bits", ""))

    def report(self, isas: list[str], seconds: float) -> bool:
        """Prints the summary, and says whether there was no fault."""
        never = sorted(set(_core.OPS) - set(self.drawn))
        count = sum(map(len, self.faults.values()))
        print(f"{self.programs} programs on {', '.join(isas)} in {seconds:.0f} s: {count} faults", flush=True)
        print("ended by", ", ".join(f"{n} {name}" for name, n in self.errors.most_common()))
        for reason, n in self.refusals.most_common(12):
            print(f"{n:6} refused: {reason}")
        if never:
            print("never drawn:", ", ".join(never))
        for group, found in sorted(self.faults.items(), key=lambda item: -len(item[1])):
            print(f"{len(found):6} times {group}: --seed {found[0].seed}")
        return not count


def finished(job: Job) -> dict[str, Any] | None:
    """The block of a process that has ended; a crash and a hang are faults of the program that was at work."""
    errors = b""
    if job.process.poll() is None:
        seed, since = job.at()
        if time.time() - since < HANGS_AFTER:
            return None
        job.process.kill()
        kind = "hang"
    else:
        kind = f"exit code {job.process.returncode}"
    _, errors = job.process.communicate()
    if kind == "exit code 0":
        return json.loads(job.output.read_bytes())
    seed, _ = job.at()
    found = vars(Found(seed, f"{kind} on {job.isa}", errors.decode(errors="replace")[-600:], ""))
    print(found["detail"], flush=True)
    return {"digests": [""] * job.count, "faults": [found], "refusals": {}, "errors": {}, "drawn": {}}


def campaign(start: int, count: int | None, seconds: float, jobs: int, block: int, isas: list[str]) -> bool:
    """Programs from ``start`` on until there are ``count`` or the time is over; whether there was no fault."""
    began, summary = time.time(), Summary()
    running: list[Job] = []
    done: dict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
    queue: list[tuple[int, int, str]] = []
    following = start
    with tempfile.TemporaryDirectory() as folder:
        while True:
            over = time.time() - began > seconds or (count is not None and following >= start + count)
            if not queue and not over:
                size = block if count is None else min(block, start + count - following)
                queue = [(following, size, isa) for isa in isas]
                following += size
            while queue and len(running) < jobs:
                running.append(Job(*queue.pop(0), Path(folder)))
            if not running:
                break
            for job in list(running):
                result = finished(job)
                if result is not None:
                    running.remove(job)
                    done[job.start][job.isa] = result
                    if len(done[job.start]) == len(isas):
                        summary.add(job.start, {isa: done[job.start][isa] for isa in isas})
                        del done[job.start]
            time.sleep(0.02)
    return summary.report(isas, time.time() - began)


def again(seed: int) -> bool:
    """Runs one program again, prints it as a script, and says whether there was no fault."""
    from programs.worker import Block, try_one

    block = Block()
    try_one(seed, block, seconds=30.0)
    from programs.drawer import draw

    print(script(block.faults[0].source if block.faults else draw(seed).source()))
    for fault in block.faults:
        print(f"# {fault.kind}: {fault.detail}")
    print(f"# digest {block.digests[0]}; refused: {list(block.refusals)}")
    return not block.faults
