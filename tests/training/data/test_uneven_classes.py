"""Classes of which there are few clips: drawn more often, or counted for more; and classes that a mirror exchanges."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import SplitEntry, read_split, write_class_names, write_split
from rgbd.errors import ConfigError
from tests.support.processed import write_clips, write_config, write_toy_config
from training.config.loading import load_config
from training.config.schema import LossConfig, TrainingConfig
from training.data.checks import check_data
from training.data.class_weights import with_class_weights
from training.data.loader import Loader, balanced_order
from training.data.mirrored_classes import mirrored_classes
from training.networks.family import cross_entropy

LABELS = [0] * 12 + [1] * 3 + [3] * 2


def test_a_balanced_epoch_has_as_many_clips_of_each_class() -> None:
    order = balanced_order(LABELS, np.random.default_rng(0))
    counts = np.bincount(np.array(LABELS)[order], minlength=4)
    assert len(order) == len(LABELS) and sorted(counts[[0, 1, 3]]) == [5, 6, 6] and counts[2] == 0
    times = np.bincount(order, minlength=len(LABELS))
    assert times[:12].max() == 1, "no clip of many comes twice"
    assert times[12:15].min() >= 1 and times[15:].min() >= 2, "none of few is left out"


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """Nine training clips of the first class and three of the second."""
    write_clips(tmp_path / "data", clips={"train": 12, "valid": 2})
    path = NTU.split_file(tmp_path / "data", "train", "CS")
    entries = read_split(path, NTU)
    few = [SplitEntry(entry.clip, entry.num_frames, 0 if number < 9 else 1) for number, entry in enumerate(entries)]
    write_split(path, few, NTU)
    return tmp_path


def config_of(uneven: Path, **sections: object) -> TrainingConfig:
    path = write_config(uneven / "run.yml", uneven / "data", uneven / "out", batch_size=4, **sections)
    return load_config(path)


def test_epochs_are_balanced_and_the_same_again(uneven: Path) -> None:
    data = {"root": str(uneven / "data"), "num_workers": 0, "sampling": "balanced"}
    labels = [
        torch.cat(
            [batch.labels for batch in Loader(config_of(uneven, data=data), "train", rank=0, world_size=1).epoch(e)]
        )
        for e in (0, 0, 1)
    ]
    assert all(torch.bincount(each).tolist() == [6, 6] for each in labels)
    assert labels[0].tolist() == labels[1].tolist() != labels[2].tolist()


def test_balanced_weights_are_numbers_in_the_run(uneven: Path) -> None:
    config = with_class_weights(config_of(uneven, loss={"class_weights": "balanced"}))
    assert config.loss.class_weights == pytest.approx((12 / 2 / 9, 12 / 2 / 3))
    assert with_class_weights(config) == config
    with pytest.raises(ConfigError, match="class_weights has 3 numbers, and the data set 2 classes"):
        with_class_weights(config_of(uneven, loss={"class_weights": [1, 2, 3]}))
    toy = write_toy_config(uneven / "toy.yml", uneven / "data", uneven / "out", loss={"class_weights": "balanced"})
    with pytest.raises(ConfigError, match="toy_family:FAMILY does not heed them"):
        with_class_weights(load_config(toy))


def test_weighted_cross_entropy_is_the_weighted_mean() -> None:
    scores, labels = torch.randn(5, 3, generator=torch.manual_seed(0)), torch.tensor([0, 1, 2, 2, 1])
    weights = torch.tensor([1.0, 2.0, 0.5])
    found = cross_entropy(scores, labels, LossConfig(label_smoothing=0, class_weights=tuple(weights.tolist())))
    each = -scores.log_softmax(1)[torch.arange(5), labels]
    torch.testing.assert_close(found, (each * weights[labels]).sum() / weights[labels].sum())
    torch.testing.assert_close(cross_entropy(scores, labels, LossConfig(label_smoothing=0)), each.mean())


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (("swipe left", "swipe right", "wave"), [("swipe left", "swipe right")]),
        (("Swiping_Left", "swiping right"), [("Swiping_Left", "swiping right")]),
        (("draw circle (clockwise)", "draw circle (counter clockwise)"), None),
        (("turn anticlockwise", "turn clockwise"), None),
        (("raise the left hand", "wave"), []),
        (("bright", "bleft"), []),
    ],
)
def test_classes_that_a_mirror_exchanges(names: tuple[str, ...], pairs: list[tuple[str, str]] | None) -> None:
    assert mirrored_classes(names) == ([names] if pairs is None else pairs)


def test_mirroring_such_classes_is_warned_of(uneven: Path) -> None:
    write_class_names(uneven / "data", ("swipe left", "swipe right"))
    warning = (
        "a mirrored clip of 'swipe left' looks like one of 'swipe right', and augment.flip mirrors clips: set it to 0"
    )
    assert warning in check_data(config_of(uneven, augment={"flip": 0.5}), 1)
    assert warning not in check_data(config_of(uneven, augment={"flip": 0.0}), 1)
