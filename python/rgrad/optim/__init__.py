"""Optimizers and learning-rate schedulers with PyTorch's names, arguments, defaults and update rules.

Every optimizer takes an L2 penalty as ``weight_decay``. An L1 penalty is a term of the loss, as in PyTorch; its
derivative at 0 is 0:

>>> model = rg.nn.Linear(3, 1)
>>> optimizer = rg.optim.SGD(model.parameters(), lr=0.1, weight_decay=1e-4)
>>> penalty = 1e-3 * sum(p.abs().sum() for p in model.parameters())
>>> (model(rg.ones(8, 3)).square().mean() + penalty).backward()
>>> optimizer.step()
"""

from rgrad.optim import lr_scheduler
from rgrad.optim.adagrad import Adadelta, Adagrad
from rgrad.optim.adam import Adam, AdamW, NAdam
from rgrad.optim.lbfgs import LBFGS
from rgrad.optim.optimizer import Optimizer
from rgrad.optim.rmsprop import RMSprop
from rgrad.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "lr_scheduler",
]
