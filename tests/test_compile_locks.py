"""Threads that share a compiled function and its parameters never wait for each other in a circle."""

import os
import subprocess
import sys
import textwrap

import pytest

#: Beyond any time that these programs take; what hangs says where.
LIMIT = 120

COMMON = """
import faulthandler, sys, threading
import numpy as np
import rgrad as rg
faulthandler.dump_traceback_later(100, exit=True)
sys.setswitchinterval(1e-5)
p = rg.nn.Parameter(rg.zeros(3))

@rg.compile
def step(x):
    p.grad = None
    loss = ((p + 1.0) * x).sum()
    loss.backward()
    return loss

def foreign():
    # An owner whose end takes the interpreter.
    array = np.zeros(3, np.float32)
    p.grad = rg.from_numpy(array)

step(rg.ones(3))
done = threading.Event()
failed = []

def forever(f):
    def work():
        try:
            while not done.is_set():
                f()
        except BaseException as error:
            failed.append(error)
            done.set()
    return threading.Thread(target=work)
"""


def run(code):
    """Runs the program with COMMON before it; a hang or a failure is an error with the stacks of all threads."""
    text = COMMON + textwrap.dedent(code)
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    made = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=LIMIT, env=env)
    assert made.returncode == 0, made.stderr[-4000:]


@pytest.mark.parametrize(
    "other",
    [
        "step.cost()",
        "str(step.program)",
        "rg.compile(step)(rg.ones(3))",
        "step.program._programs[0].profile([rg.ones(3)], 2)",
        "p.grad",
        "foreign()",
        "import gc; gc.collect()",
        "p.grad = None",
        "step.epoch(rg.ones(6, 3), batch_size=3)",
    ],
)
def test_a_step_that_frees_a_foreign_gradient_meets_another_thread(other):
    run(f"""
        def replay():
            foreign()
            step(rg.ones(3))

        def look():
            {other}

        threads = [forever(replay), forever(look)]
        for thread in threads: thread.start()
        done.wait(1.0)
        done.set()
        for thread in threads: thread.join()
        assert not failed, failed
    """)


def test_steps_that_share_an_optimizer_take_all_of_their_steps():
    run("""
        model = rg.nn.Linear(3, 2)
        optimizer = rg.optim.Adam(model.parameters(), lr=1e-3)
        COUNT = 300

        def make(scale):
            @rg.compile
            def train(x):
                optimizer.zero_grad()
                loss = (model(x) * scale).square().sum()
                loss.backward()
                optimizer.step()
                return loss
            return train

        def work(train):
            for _ in range(COUNT):
                train(rg.ones(4, 3))

        threads = [threading.Thread(target=work, args=(make(scale),)) for scale in (1.0, 2.0)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert all(bool(rg.isfinite(p).all()) for p in model.parameters())
    """)


def test_a_finalizer_may_call_the_step():
    run("""
        class Owner(np.ndarray):
            def __del__(self):
                try:
                    str(step.program)
                except RuntimeError as error:
                    seen.append(str(error))
        seen = []
        for _ in range(20):
            array = np.zeros(3, np.float32).view(Owner)
            p.grad = rg.from_numpy(array)
            del array
            step(rg.ones(3))
        assert all("while it ran" in text for text in seen), seen
    """)
