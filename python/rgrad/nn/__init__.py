"""Layers, losses and initialisation, with PyTorch's names and conventions."""

from rgrad.nn import functional, init
from rgrad.nn.layers import Dropout, Linear, ReLU, Sequential, Sigmoid, Tanh
from rgrad.nn.losses import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from rgrad.nn.module import Module, Parameter, TensorModule

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dropout",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "TensorModule",
    "functional",
    "init",
]
