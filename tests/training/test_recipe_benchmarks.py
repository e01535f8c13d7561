"""What the benchmarks of real accuracy stand on: other lists over the same frames, and runs that are not done twice."""

from pathlib import Path

import pytest

from benchmarks.support.folds import Lists, share_of
from benchmarks.support.training_runs import Results, Run, train_all
from rgbd.dataset.splits import read_class_names
from tests.support.processed import write_clips, write_config, write_toy_config
from training.config.loading import load_config
from training.data.dataset import ClipDataset, Draw, View
from training.run.checkpoint import load_checkpoint


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_clips(tmp_path / "data", clips={"train": 12, "valid": 6})
    return tmp_path / "data"


def test_a_fold_without_a_class_numbers_the_others_anew_and_changes_nothing(data: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    lists = Lists("ntu", data, "CS")
    assert lists.performers == ["002"] and lists.performer(lists.valid[0]) == "003"
    for _ in range(2):  # again, as a benchmark that goes on
        fold = lists.write(tmp_path / "fold", lists.train, lists.valid, [1])
    config = load_config(write_config(tmp_path / "run.yml", fold, tmp_path / "run"))
    dataset = ClipDataset(config, "train")
    assert {entry.label for entry in dataset.entries} == {0} and len(dataset) == 6
    assert all("A002" in entry.clip for entry in dataset.entries)
    assert read_class_names(fold) == ("down",)
    (clip,), label, _ = dataset[Draw(0, View())]
    assert clip.shape == (8, 32, 32, 3) and label == 0
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_a_share_has_clips_of_every_class(data: Path) -> None:
    lists = Lists("ntu", data, "CS")
    for share, count in ((0.01, 2), (0.5, 6), (1.0, 12)):
        kept = share_of(lists.train, share, seed=0)
        assert len(kept) == count and {entry.label for entry in kept} == {0, 1}
    assert (
        share_of(lists.train, 0.5, seed=0) == share_of(lists.train, 0.5, seed=0) != share_of(lists.train, 0.5, seed=1)
    )
    rest, held = lists.leave_out("002")
    assert (rest, held) == ([], lists.train)


@pytest.mark.slow
def test_what_is_in_the_results_is_not_trained_again_until_the_recipe_changes(data: Path, tmp_path: Path) -> None:
    recipe = write_toy_config(tmp_path / "recipe.yml", data, tmp_path / "unused")
    path, run = tmp_path / "results.jsonl", Run("one", data, ("seed=1", "schedule.epochs=1"))
    train_all([run], recipe, tmp_path / "runs", Results(path, recipe))
    written = path.read_text()
    found = Results(path, recipe).find(run)
    assert found is not None and 0 <= found["top1"] <= 1
    weights = tmp_path / "runs" / "one" / "last.pt"
    assert load_checkpoint(weights).config.seed == 1
    changed = weights.stat().st_mtime_ns
    train_all([run], recipe, tmp_path / "runs", Results(path, recipe))
    assert (path.read_text(), weights.stat().st_mtime_ns) == (written, changed)
    assert Results(path, recipe).find(Run("one", data, ("seed=2", "schedule.epochs=1"))) is None


@pytest.mark.slow
def test_the_plain_mean_is_trained_by_the_recipe_of_the_method(data: Path, tmp_path: Path) -> None:
    network = {"name": "benchmarks.support.plain_mean:FAMILY", "width": 0.125, "num_heads": 4}
    network |= {"branch_frames": [2, 4, 6], "guidance_window": 3}
    recipe = write_config(tmp_path / "recipe.yml", data, tmp_path / "unused", network=network)
    results = Results(tmp_path / "results.jsonl", recipe)
    run = Run("plain", data, ("schedule.epochs=2",))
    train_all([run], recipe, tmp_path / "runs", results)
    found = results.find(run)
    assert found is not None and {"top1", "ece", "minutes"} <= found.keys()
