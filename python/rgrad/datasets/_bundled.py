"""The two small datasets that come with the package (see ATTRIBUTION.md)."""

from importlib.resources import files

import numpy as np

from rgrad.datasets._dataset import Dataset, every_fifth, pixels


def digits() -> Dataset:
    """The UCI handwritten digits: 1797 images of 8×8 pixels from 0 to 1, in 10 classes.

    Every fifth image of each class is in the test set: 1442 training and 355 test images.
    """
    with files(__package__).joinpath("digits.npz").open("rb") as file, np.load(file) as archive:
        images, labels = archive["images"], archive["labels"]
    x, test = pixels(images, 16), every_fifth(labels)
    return Dataset.from_arrays(
        "digits",
        (x[~test], labels[~test], x[test], labels[test]),
        class_names=[str(digit) for digit in range(10)],
        image_shape=(8, 8),
    )


def iris() -> Dataset:
    """Fisher's Iris flowers: 150 samples of 4 lengths in centimetres, in 3 classes.

    Every fifth flower of each class is in the test set: 120 training and 30 test samples.
    """
    with files(__package__).joinpath("iris.csv").open(encoding="utf-8") as file:
        *features, _ = file.readline().strip().split(",")
        rows = [line.strip().split(",") for line in file]
    x = np.array([row[:-1] for row in rows], np.float32)
    names, labels = np.unique([row[-1] for row in rows], return_inverse=True)
    test = every_fifth(labels)
    return Dataset.from_arrays(
        "iris",
        (x[~test], labels[~test], x[test], labels[test]),
        class_names=names.tolist(),
        feature_names=features,
    )
