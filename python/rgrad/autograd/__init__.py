"""Switches of the tape, gradients of chosen tensors, own operations, and tools for long or broken graphs."""

from rgrad._grad_mode import enable_grad, grad, no_grad, set_grad_enabled
from rgrad.autograd.anomaly import detect_anomaly
from rgrad.autograd.checkpoint import checkpoint
from rgrad.autograd.function import Context, Function

__all__ = [
    "Context",
    "Function",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "no_grad",
    "set_grad_enabled",
]
