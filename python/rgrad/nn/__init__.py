"""Layers, losses and initialisation, with PyTorch's names and conventions."""

from rgrad.nn import functional, init, utils
from rgrad.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from rgrad.nn.layers import Dropout, Flatten, Identity, Linear, ReLU, Sigmoid, Tanh, Unflatten
from rgrad.nn.losses import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from rgrad.nn.module import Module, Parameter, TensorModule
from rgrad.nn.sparse import Embedding

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "Linear",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "TensorModule",
    "Unflatten",
    "functional",
    "init",
    "utils",
]
