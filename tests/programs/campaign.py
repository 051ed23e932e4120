"""Many programs: blocks of seeds on every instruction set, each block in a process of its own, and a summary."""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from programs.program import script
from programs.worker import Found, Tried, drawn, try_one
from rgrad import _core

ISAS = _core.available_isas()
MAIN = ["-m", "programs"]
#: A program takes milliseconds; one that is made small takes seconds.
HANGS_AFTER = 60.0


class Job:
    """A process at work on a block, or several one after the other where programs crash or hang."""

    def __init__(self, start: int, count: int, turn: int, folder: Path) -> None:
        self.start, self.end, self.turn = start, start + count, turn
        self.kept = folder / f"{start}.programs"
        self.output = folder / f"{start}-{turn}.lines"
        self.errors = folder / f"{start}-{turn}.errors"
        self.crashes: list[Found] = []
        self.output.touch()
        self.run(start)

    def run(self, start: int) -> None:
        command = [sys.executable, *MAIN, "--worker", str(self.kept), str(self.output), str(self.turn)]
        command += ["--start", str(start), "--count", str(self.end - start)]
        path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "RGRAD_ISA": ISAS[self.turn], "PYTHONPATH": path, "RUST_BACKTRACE": "0"}
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(command, env=env, stderr=errors)
        self.began = time.time()

    def tried(self) -> list[Tried]:
        lines = self.output.read_text(encoding="utf-8").splitlines(keepends=True)
        return [Tried.of_json(line) for line in lines if line.endswith("\n")]

    def over(self) -> bool:
        """Whether the block is done. A program that ends or holds up its process is a fault; the next one is tried."""
        code = self.process.poll()
        if code is None:
            if time.time() - max(self.began, self.output.stat().st_mtime) < HANGS_AFTER:
                return False
            self.process.kill()
            self.process.wait()
        elif code == 0:
            return True
        done = self.tried()
        seed = max([t.seed for t in done] + [f.seed for f in self.crashes], default=self.start - 1) + 1
        kind = "hang" if code is None else f"exit code {code}"
        told = self.errors.read_text(encoding="utf-8", errors="replace")[-600:]
        self.crashes.append(Found(seed, f"{kind} on {ISAS[self.turn]}", told, "", kind))
        if seed + 1 >= self.end:
            return True
        self.run(seed + 1)
        return False

    def clear(self) -> None:
        for path in (self.output, self.errors):
            path.unlink()


class Summary:
    """What a campaign has seen so far."""

    def __init__(self) -> None:
        self.programs = 0
        self.faults: dict[str, list[Found]] = defaultdict(list)
        self.refusals: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.drawn: Counter[str] = Counter()

    def add_fault(self, found: Found) -> None:
        group = self.faults[found.group]
        group.append(found)
        if len(group) == 1:
            print(f"\nseed {found.seed}: {found.kind}: {found.detail[:600]}\n{found.source}", flush=True)

    def add(self, jobs: list[Job]) -> None:
        """A block that every instruction set has done."""
        digests: dict[int, str] = {}
        for job in jobs:
            for found in job.crashes:
                self.add_fault(found)
            for tried in job.tried():
                self.refusals.update([tried.refusal] if tried.refusal else [])
                for found in tried.faults:
                    self.add_fault(found)
                if not job.turn:
                    self.programs += 1
                    self.errors[tried.error] += 1
                    self.drawn.update(tried.operations)
                if digests.setdefault(tried.seed, tried.digest) != tried.digest:
                    kind = f"other bits on {ISAS[job.turn]}"
                    self.add_fault(Found(tried.seed, kind, "", "", kind))
            job.clear()
        jobs[0].kept.unlink()

    def report(self, seconds: float) -> bool:
        """Prints the summary, and says whether there was no fault."""
        count = sum(map(len, self.faults.values()))
        print(f"{self.programs} programs on {', '.join(ISAS)} in {seconds:.0f} s: {count} faults", flush=True)
        print("ended by", ", ".join(f"{n} {name}" for name, n in self.errors.most_common()))
        for reason, n in self.refusals.most_common(12):
            print(f"{n:6} refused: {reason}")
        never = sorted(set(_core.OPS) - set(self.drawn))
        if never:
            print("never drawn:", ", ".join(never))
        for group, found in sorted(self.faults.items(), key=lambda item: -len(item[1])):
            print(f"{len(found):6} times {group}: --seed {found[0].seed}")
        return not count


def campaign(start: int, count: int | None, seconds: float, jobs: int, block: int) -> bool:
    """Programs from ``start`` on until there are ``count`` or the time is over; whether there was no fault."""
    began, summary, following = time.time(), Summary(), start
    running: list[Job] = []
    blocks: dict[int, list[Job]] = {}
    waiting: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        while True:
            while len(running) < jobs:
                if waiting:
                    first, turn = waiting.pop(0)
                    job = Job(first, blocks[first][0].end - first, turn, Path(folder))
                elif time.time() - began < seconds and (count is None or following < start + count):
                    size = block if count is None else min(block, start + count - following)
                    job = Job(following, size, 0, Path(folder))
                    following += size
                else:
                    break
                blocks.setdefault(job.start, []).append(job)
                running.append(job)
            if not running:
                break
            for job in [job for job in running if job.over()]:
                running.remove(job)
                if not job.turn:
                    waiting += [(job.start, turn) for turn in range(1, len(ISAS))]
                if len(blocks[job.start]) == len(ISAS) and not any(j in running for j in blocks[job.start]):
                    summary.add(blocks.pop(job.start))
            time.sleep(0.02)
    return summary.report(time.time() - began)


def again(seed: int) -> bool:
    """Runs one program again, prints it as a script, and says whether there was no fault."""
    program = drawn(seed)
    tried = try_one(program, seconds=30.0)
    print(script(tried.faults[0].source if tried.faults else program.source))
    for fault in tried.faults:
        print(f"# {fault.kind}: {fault.detail}")
    for kind, told in program.wrong:
        print(f"# {kind}: {told}")
    print(f"# digest {tried.digest}; ended by {tried.error}; refused: {tried.refusal or 'no'}")
    return not tried.faults and not program.wrong
