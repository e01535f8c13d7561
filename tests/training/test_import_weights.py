"""The reference's weight files, built from its own keys and shapes, become checkpoints and go back."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rgbd.errors import UserError
from tests.support.checkpoints import SMALL, untrained
from tests.support.commands import assert_refused, run_module
from training.config.schema import TrainingConfig
from training.import_weights import export_file, import_file
from training.run.checkpoint import CheckpointError, load_checkpoint, restore_network

GOLDEN = Path(__file__).parents[1] / "golden"


def reference_state(kind: str = "unimodal", num_classes: int = 60, hidden: int = 256) -> dict[str, torch.Tensor]:
    """Return random weights under the reference's names; `hidden` is the width of the recoupling's time gate."""
    shapes: dict[str, list[int]] = json.loads((GOLDEN / f"state_dict_{kind}_ntu60.json").read_text())
    state = {}
    for number, (key, shape) in enumerate(shapes.items()):
        sizes = [num_classes if size == 60 else size for size in shape]
        if "rcm.project" in key:
            sizes = [hidden if size == 256 else size for size in sizes]
        state[key] = torch.full(sizes, float(number))
    return state


def write(path: Path, state: dict[str, torch.Tensor], **more: Any) -> Path:
    torch.save({"model": {f"module.{key}": value for key, value in state.items()}, "epoch": 10, **more}, path)
    return path


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    return TrainingConfig.model_validate({"modality": "rgb", "data": {"root": tmp_path}})


def test_a_published_file_becomes_a_checkpoint(tmp_path: Path, config: TrainingConfig) -> None:
    state = reference_state()
    early = {"dtn.multi_scale_transformers.3.Mixed_media.b0.conv3d.weight": torch.zeros(1)}
    path = write(tmp_path / "best.pth.tar", state | early, args=argparse.Namespace(w=10), bestacc=90.3)
    checkpoint, unused = import_file(path, config)
    assert unused == list(early)
    assert (checkpoint.position.epoch, checkpoint.metrics, len(checkpoint.class_names)) == (10, {"bestacc": 90.3}, 60)
    assert checkpoint.class_names[0] == "drink water"
    assert checkpoint.epoch_state == {"tau": pytest.approx(0.04 + 0.03 * 9 / 29)}  # of the last epoch that was trained
    last = list(state).index("dtn.mlp_head_large.1.weight")
    assert (restore_network(checkpoint).state_dict()["heads.large.1.weight"] == last).all()


def test_other_class_counts_and_thu_reads_narrow_gate(tmp_path: Path, config: TrainingConfig) -> None:
    checkpoint, _ = import_file(write(tmp_path / "thu.tar", reference_state(num_classes=40, hidden=128)), config)
    assert checkpoint.class_names[-1] == "class 40"
    assert checkpoint.config.network.recoupling_hidden == 128


def test_there_and_back_through_the_command(tmp_path: Path) -> None:
    state = reference_state("fusion")
    source, ours, back = write(tmp_path / "a.tar", state), tmp_path / "ours.pt", tmp_path / "back.tar"
    settings = ("--set", "modality=rgbd", "--set", f"data.root={tmp_path}")
    result = run_module("training.import_weights", source, "--config", "configs/NTU.yml", "--out", ours, *settings)
    assert result.returncode == 0, result.stderr
    assert "entries matched, 0 unused" in result.stdout and "clip.depth.mode=wrapped" in result.stdout
    assert load_checkpoint(ours).config.modality == "rgbd"
    assert run_module("training.import_weights", ours, "--to-reference", "--out", back).returncode == 0
    again = torch.load(back, weights_only=True)["model"]
    assert again.keys() == state.keys()
    assert all(again[key].shape == value.shape and (again[key] == value).all() for key, value in state.items())


def test_what_does_not_match_is_refused(tmp_path: Path, config: TrainingConfig) -> None:
    state = reference_state()
    state["extra"] = state.pop("LinearMap.1.bias")
    with pytest.raises(UserError, match=r"missing LinearMap.1.bias; left over extra"):
        import_file(write(tmp_path / "a.tar", state), config)
    with pytest.raises(CheckpointError, match="of another network"):
        import_file(write(tmp_path / "b.tar", {"conv.weight": torch.zeros(1)}), config)
    with pytest.raises(CheckpointError, match="no weights under 'model'"):
        torch.save({"model": 3}, tmp_path / "c.tar")
        import_file(tmp_path / "c.tar", config)


def test_weights_of_the_other_kind_of_network_name_the_mistake(tmp_path: Path, config: TrainingConfig) -> None:
    fusion = write(tmp_path / "fusion.tar", reference_state("fusion"))
    with pytest.raises(CheckpointError, match=r"the fusion of both streams, and the .* modality is rgb; give"):
        import_file(fusion, config)
    both = {"modality": "rgbd", "streams": {"rgb": "a.pt", "depth": "b.pt"}}
    with pytest.raises(CheckpointError, match=r"weights of one stream, and the .* modality is rgbd; give one whose"):
        import_file(write(tmp_path / "rgb.tar", reference_state()), TrainingConfig.model_validate(both))


def test_several_recoupling_heads_travel_in_neither_direction(tmp_path: Path) -> None:
    network = {"width": 0.125, "recoupling_heads": 2}
    config = TrainingConfig.model_validate({"modality": "rgb", "network": network})
    with pytest.raises(CheckpointError, match=r"recoupling_heads .* is above 1"):
        import_file(write(tmp_path / "a.tar", reference_state()), config)
    checkpoint = load_checkpoint(untrained("rgb", tmp_path / "ours.pt", network={**SMALL["network"], **network}))
    with pytest.raises(UserError, match=r"recoupling_heads .* is above 1"):
        export_file(checkpoint, tmp_path / "back.tar")
    assert not (tmp_path / "back.tar").exists()


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, config: TrainingConfig) -> None:
    state = reference_state()
    state["dtn.mlp_head_large.1.weight"][0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"a\.tar: dtn\.mlp_head_large\.1\.weight hold NaN.*another epoch"):
        import_file(write(tmp_path / "a.tar", state), config)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not run",)


def test_files_that_run_code_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": {}, "args": Evil()}, tmp_path / "evil.tar")
    result = run_module(
        "training.import_weights", tmp_path / "evil.tar", "--config", "configs/NTU.yml", "--out", tmp_path / "x.pt"
    )
    assert_refused(result, "would run code")
    assert "this must not run" not in result.stdout + capsys.readouterr().out
    assert not (tmp_path / "x.pt").exists()
    (tmp_path / "text.tar").write_text("no weights")
    result = run_module(
        "training.import_weights", tmp_path / "text.tar", "--config", "configs/NTU.yml", "--out", tmp_path / "x.pt"
    )
    assert_refused(result, "text.tar")
