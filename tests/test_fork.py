"""A child forked while other threads are at work can do what they were doing: no lock of theirs holds it up."""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PROGRAM = """
import os, signal, sys, threading, warnings
warnings.simplefilter("ignore")
import numpy as np
import rgrad as rg
sys.setswitchinterval(1e-5)
N = 200_000
big, other = rg.ones(N), rg.ones(N)
p = rg.nn.Parameter(rg.ones(N))
loss = lambda: (p * big).sum()

@rg.compile
def step(x):
    y = rg.tanh(x) * 2.0 + rg.sin(x)
    return y.sum()

step(big)

def work():
    {work}

def child():
    {child}

done = threading.Event()
def forever():
    while not done.is_set():
        work()
threads = [threading.Thread(target=forever, daemon=True) for _ in range(2)]
for thread in threads: thread.start()
for _ in range(25):
    pid = os.fork()
    if pid == 0:
        # A hang ends here, with its signal as the status.
        signal.alarm(20)
        try:
            for _ in range(2):
                child()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status
done.set()
for thread in threads: thread.join()
"""

WORK = {
    "a compiled function": "step(big)",
    "reading": "big.sum()",
    "writing": "other.add_(1.0)",
    "random numbers": "rg.rand(3)",
    "gradients": "loss().backward()",
    "allocation": "rg.zeros(100_000) + 1.0",
    "an optimizer": "rg.optim.SGD([p], lr=0.0).step()",
    "hooks": "p.register_hook(lambda g: None).remove()",
    "recording": "rg.compile(lambda x: x * 2.0)(other)",
    "a cleared function": "step.clear(); step(big)",
}
CHILD = (
    "step(big); big.mul_(1.0); other.add_(1.0); rg.rand(3); loss().backward(); p.grad = None; "
    "rg.zeros(100_000).add_(1.0); rg.compile(lambda x: x * 2.0)(other); str(step.program); "
    "p.register_hook(lambda g: None)"
)


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_child_does_what_another_thread_was_doing(work):
    text = textwrap.dedent(PROGRAM).replace("{work}", work).replace("{child}", CHILD)
    made = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=600, check=False)
    assert made.returncode == 0, made.stderr[-3000:]
