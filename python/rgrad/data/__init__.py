"""Mini-batches: datasets, samplers and `DataLoader`, with PyTorch's names.

Rows of tensors and arrays are gathered in Rust, with one call per tensor and batch: no row passes through Python, so no
worker processes are needed. A batch is a copy, which the loop may change.
"""

from rgrad.data.collate import default_collate
from rgrad.data.curriculum import CurriculumSampler
from rgrad.data.datasets import Dataset, Subset, TensorDataset, random_split
from rgrad.data.loader import DataLoader
from rgrad.data.samplers import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

__all__ = [
    "BatchSampler",
    "CurriculumSampler",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "random_split",
]
