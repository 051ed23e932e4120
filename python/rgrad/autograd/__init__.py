"""Gradient modes, gradients of chosen tensors, custom operations, and tools for long or broken graphs."""

from rgrad.autograd.anomaly import detect_anomaly
from rgrad.autograd.checkpoint import checkpoint
from rgrad.autograd.function import Context, Function
from rgrad.autograd.gradients import grad
from rgrad.autograd.modes import enable_grad, no_grad, set_grad_enabled

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
