"""Classes, clips and preparation are compared wherever a checkpoint meets a data set or another checkpoint."""

from pathlib import Path

import numpy as np
import pytest

from rgbd.clip.preparation import Preparation
from rgbd.dataset.run_info import RUN_FILE, RunInfo
from rgbd.dataset.splits import write_class_names
from rgbd.errors import UserError
from tests.support.checkpoints import CLASSES, TOY, untrained, write_data
from training.config.schema import TrainingConfig
from training.data.dataset import View
from training.data.identity import DataIdentity, class_difference, identity_of
from training.networks.family import family_of
from training.run.checkpoint import (
    Checkpoint,
    CheckpointError,
    Position,
    build_network,
    load_checkpoint,
    load_start,
    load_streams,
    save_checkpoint,
)
from training.run.distributed import process_group
from training.run.evaluation import Evaluated, evaluate_checkpoint
from training.run.resume import find_beginning

REVERSED = tuple(reversed(CLASSES))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


def of_data(data: Path, modality: str = "rgb", **changed: object) -> TrainingConfig:
    """Return the configuration of a toy network on this data."""
    extra = {"streams": {"rgb": str(data / "rgb.pt"), "depth": str(data / "depth.pt")}} if modality == "rgbd" else {}
    clip = {"num_frames": 8, "resize": (64, 48), "crop": 48, "size": 32}
    sections = {"out": data / "run", "data": {"root": data, "num_workers": 0}, "clip": clip, **TOY, **extra, **changed}
    return TrainingConfig.model_validate({"modality": modality, **sections})


def saved(data: Path, modality: str = "rgb", **changed: object) -> Path:
    """Save what a run on this data would have saved, as `<modality>.pt` beside it."""
    config, identity = of_data(data, modality, **changed), identity_of(of_data(data).data)
    network = build_network(config, len(CLASSES))
    checkpoint = Checkpoint(
        config=config,
        class_names=identity.class_names,
        splits=identity.splits,
        preparation=identity.preparation,
        position=Position(epoch=1),
        epoch_state=family_of(config).epoch_state(config, epoch=0),
        metrics={},
        model=network.state_dict(),
        training={"rates": {}},
    )
    save_checkpoint(data / f"{modality}.pt", checkpoint)
    return data / f"{modality}.pt"


def prepare_otherwise(data: Path, **changed: object) -> None:
    """Say of a data set that it was prepared by default but for this."""
    preparation = Preparation(streams=("rgb", "depth"), masks="body", roi="clip").model_copy(update=changed)
    info = RunInfo(dataset="ntu", raw="raw", format="folders", preparation=preparation)
    (data / RUN_FILE).write_text(info.model_dump_json())


def going_on(data: Path, path: Path) -> Checkpoint | None:
    with process_group() as process:
        return find_beginning(of_data(data), str(path), overwrite=False, process=process).checkpoint


def tried(path: Path, data: Path, *, match_classes: bool = False, flip: bool = False) -> Evaluated:
    with process_group() as process:
        return evaluate_checkpoint(
            path,
            load_checkpoint(path),
            process,
            data=data,
            split="valid",
            views=[View(flip=flip)],
            match_classes=match_classes,
        )


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (CLASSES, CLASSES, ""),
        (CLASSES, REVERSED, "the classes in another order: class 0 is 'jump', not 'wave'"),
        (CLASSES, ("wave", "squat", "run"), "other classes: class 2 is 'run', not 'jump'"),
        (CLASSES, ("wave", "squat"), r"2 classes (wave, squat), not 3 (wave, squat, jump)"),
        (("class 1", "class 2", "class 3"), CLASSES, ""),
    ],
)
def test_classes_differ_by_number_name_and_order(ours: tuple[str, ...], theirs: tuple[str, ...], said: str) -> None:
    assert class_difference(ours, theirs) == said


def test_what_a_run_goes_on_with_is_the_data_that_it_began_with(data: Path) -> None:
    prepare_otherwise(data)
    path = saved(data)
    assert going_on(data, path) is not None
    write_class_names(data, REVERSED)
    with pytest.raises(CheckpointError, match="in another order: class 0 is 'jump', not 'wave'"):
        going_on(data, path)
    write_class_names(data, CLASSES)
    prepare_otherwise(data, roi="tracked")
    with pytest.raises(CheckpointError, match="recordings prepared with roi tracked, not clip; give it as it was"):
        going_on(data, path)
    prepare_otherwise(data)
    splits = sorted(data.glob("**/*train*.txt"))
    assert splits
    for split in splits:
        split.write_text("".join(sorted(split.read_text().splitlines(keepends=True), reverse=True)))
    with pytest.raises(CheckpointError, match="other training clips, lengths or labels"):
        going_on(data, path)


def test_labels_of_other_classes_are_refused_or_taken_by_name(data: Path) -> None:
    path = saved(data)
    straight = tried(path, data)
    write_class_names(data, REVERSED)
    with pytest.raises(UserError, match=r"in another order.*--match-classes where the same classes are numbered"):
        tried(path, data)
    matched = tried(path, data, match_classes=True)
    assert matched.class_names == CLASSES
    np.testing.assert_array_equal(matched.evaluation.labels, 2 - straight.evaluation.labels)
    np.testing.assert_array_equal(matched.evaluation.answer, straight.evaluation.answer)
    write_class_names(data, ("wave", "squat", "run"))
    with pytest.raises(UserError, match="was trained without 'run'"):
        tried(path, data, match_classes=True)


def test_recordings_that_were_prepared_otherwise_are_told(data: Path) -> None:
    prepare_otherwise(data)
    path = saved(data)
    assert not tried(path, data).warnings
    prepare_otherwise(data, masks="none")
    assert tried(path, data).warnings == (f"{path}: tried with recordings prepared with masks none, not body",)


def test_mirrored_views_of_sides_are_told(data: Path) -> None:
    write_class_names(data, ("swipe left", "swipe right", "jump"))
    path = saved(data)
    assert not tried(path, data).warnings
    said = "a mirrored clip of 'swipe left' looks like one of 'swipe right', and --flip averages both: leave it out"
    assert tried(path, data, flip=True).warnings == (f"{path}: {said}",)


def test_a_fusion_takes_streams_that_see_and_call_things_as_it_does(data: Path) -> None:
    for modality in ("rgb", "depth"):
        saved(data, modality)
    config = of_data(data, "rgbd")
    network = build_network(config, len(CLASSES))
    assert load_streams(network, config, identity_of(config.data)) == []

    clip = config.clip.model_dump(mode="json")
    saved(data, "rgb", clip={**clip, "depth": {"mode": "wrapped"}})  # which colour does not care about
    assert load_streams(network, config, identity_of(config.data)) == []
    saved(data, "depth", clip={**clip, "depth": {"mode": "wrapped"}})
    with pytest.raises(CheckpointError, match=r"depth\.pt: .*clip\.depth was .*wrapped.*, is .*clip"):
        load_streams(network, config, identity_of(config.data))
    saved(data, "depth")
    saved(data, "rgb", clip={**clip, "crop": 40})
    with pytest.raises(CheckpointError, match=r"rgb\.pt: .*clip\.crop was \[40, 40\], is \[48, 48\]"):
        load_streams(network, config, identity_of(config.data))
    saved(data, "rgb")
    write_class_names(data, REVERSED)
    with pytest.raises(CheckpointError, match=r"in another order.*train both streams on the data set"):
        load_streams(network, config, identity_of(config.data))


def test_streams_that_were_trained_on_other_clips_are_told(data: Path) -> None:
    for modality in ("rgb", "depth"):
        saved(data, modality)
    config = of_data(data, "rgbd")
    here = identity_of(config.data)
    elsewhere = DataIdentity(here.class_names, {**here.splits, "valid": "0" * 64}, here.preparation)
    warnings = load_streams(build_network(config, len(CLASSES)), config, elsewhere)
    assert warnings == [
        f"{data / stream}.pt: the fusion has other validation clips, lengths or labels" for stream in ("rgb", "depth")
    ]


def test_a_start_from_weights_of_other_classes_begins_its_heads_anew(data: Path) -> None:
    config = of_data(data, start={"checkpoint": str(saved(data))})
    write_class_names(data, REVERSED)
    network = build_network(config, len(CLASSES))
    with pytest.raises(CheckpointError, match=r"in another order.*list in start\.new what is to begin anew"):
        load_start(network, config, identity_of(config.data))
    config = of_data(data, start={"checkpoint": str(data / "rgb.pt"), "new": ["verdcit"]})
    with pytest.raises(CheckpointError, match=r"start\.new: no parameter begins with 'verdcit'; there are eyes, verd"):
        load_start(network, config, identity_of(config.data))
    config = of_data(data, start={"checkpoint": str(data / "rgb.pt"), "new": ["verdict"]})
    assert all(name.startswith("verdict") for name in load_start(network, config, identity_of(config.data)))


def test_an_earlier_checkpoint_that_knows_no_clips_is_no_other(data: Path) -> None:
    path = untrained("rgb", data / "best.pt", **TOY)
    assert load_checkpoint(path).data.differences(identity_of(of_data(data).data)) == []
