"""How much each class counts in the loss of a run, as numbers."""

import numpy as np

from rgbd.errors import ConfigError
from training.config.schema import TrainingConfig
from training.data.dataset import class_names, read_entries
from training.networks.family import family_of


def with_class_weights(config: TrainingConfig) -> TrainingConfig:
    """Return a run's configuration with `loss.class_weights` in numbers, one of each class, or "equal".

    Balanced, a class counts by the inverse of its share of the training clips, so that a clip counts 1 in the mean.
    Raises `ConfigError` for another number of weights than of classes, and for a family that does not heed them.
    """
    weights, names = config.loss.class_weights, class_names(config.data)
    if weights == "equal":
        return config
    if not family_of(config).weighs_classes:
        raise ConfigError(
            f"loss.class_weights: network.name {config.network.name} does not heed them; leave them equal"
        )
    if weights == "balanced":
        labels = [entry.label for entry in read_entries(config.data, "train")]
        counts = np.bincount(labels, minlength=len(names))
        weights = tuple((len(labels) / np.count_nonzero(counts) / np.maximum(counts, 1)).tolist())
    if len(weights) != len(names):
        raise ConfigError(f"loss.class_weights has {len(weights)} numbers, and the data set {len(names)} classes")
    return config.model_copy(update={"loss": config.loss.model_copy(update={"class_weights": weights})})
