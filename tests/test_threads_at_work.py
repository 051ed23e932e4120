"""Some seconds of threads that do different things at once; `threads_at_work.py` goes on for minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import threads_at_work


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_threads_get_what_each_gets_alone():
    command = [sys.executable, str(Path(threads_at_work.__file__)), "--seconds", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_another_result_would_be_noticed():
    def job(seed: int) -> str:
        return str(len(crew.faults) % 2 if crew.done["job"] else 0)

    crew = threads_at_work.Crew({("job", seed): "1" for seed in range(threads_at_work.SEEDS)}, [job], 0, 2)
    crew.run(0.2)
    assert any("another result: 0" in fault for fault in crew.faults)
