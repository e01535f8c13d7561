"""The second family's weight files, built from its own keys and shapes, become checkpoints and go back."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rgbd.errors import UserError
from tests.support.commands import assert_refused, run_module
from training.config.loading import load_config
from training.config.schema import TrainingConfig
from training.data.identity import DataIdentity
from training.import_weights import export_file, import_file
from training.run.checkpoint import (
    CheckpointError,
    build_network,
    load_checkpoint,
    load_start,
    restore_network,
    save_checkpoint,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "umdr"
CONFIG = Path("configs/umdr/NTU.yml")


def reference_state(name: str) -> dict[str, Tensor]:
    """Return weights under the reference's names, each entry a number of its own."""
    shapes: dict[str, list[int]] = json.loads((GOLDEN / f"state_dict_{name}.json").read_text())
    return {key: torch.full(shape, float(number)) for number, (key, shape) in enumerate(shapes.items())}


def write(path: Path, state: dict[str, Tensor], epoch: int = 100) -> Path:
    content = {"model": {f"module.{key}": value for key, value in state.items()}, "epoch": epoch, "bestacc": 92.2}
    torch.save({**content, "args": argparse.Namespace(distill=0.2)}, path)
    return path


def config(*settings: str) -> TrainingConfig:
    return load_config(CONFIG, ["data.root=nowhere", *settings])


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(("num_frames", "divisor"), [(16, 2), (32, 2), (64, 4)])
def test_frames_and_their_share_are_read_from_the_file_and_nothing_is_left_out(
    tmp_path: Path, num_frames: int, divisor: int
) -> None:
    state = reference_state(f"unimodal_t{num_frames}")
    path = write(tmp_path / "best.pth.tar", state, epoch=11)
    checkpoint, unused = import_file(path, config())
    assert not unused and len(state) == 586
    assert (checkpoint.config.clip.num_frames, checkpoint.config.network.branch_divisor) == (num_frames, divisor)
    assert checkpoint.epoch_state == {"tau": pytest.approx(0.050344828)}  # of the last epoch that was trained
    assert restore_network(checkpoint).tau.item() == pytest.approx(0.050344828)
    assert (len(checkpoint.class_names), checkpoint.metrics) == (60, {"bestacc": 92.2})
    export_file(checkpoint, tmp_path / "back.tar")
    assert same(torch.load(tmp_path / "back.tar")["model"], state)


def streams_in(folder: Path, num_frames: int = 32) -> list[str]:
    """Import both streams' files, of epochs 100 and 11, and return the settings that name what comes of them."""
    settings = []
    for stream, epoch in (("rgb", 100), ("depth", 11)):
        path = write(folder / f"{stream}.tar", reference_state(f"unimodal_t{num_frames}"), epoch)
        checkpoint, _ = import_file(path, config(f"modality={stream}"))
        save_checkpoint(folder / f"{stream}.pt", checkpoint)
        settings.append(f"streams.{stream}={folder / f'{stream}.pt'}")
    return settings


def test_a_fusion_is_its_head_and_the_streams_files(tmp_path: Path) -> None:
    settings = streams_in(tmp_path)
    state = reference_state("fusion_t32")
    path = write(tmp_path / "fusion.tar", state)
    checkpoint, _ = import_file(path, config("modality=rgbd", *settings))
    network = restore_network(checkpoint)
    assert [getattr(network, stream).tau.item() for stream in ("rgb", "depth")] == pytest.approx([0.07, 0.050344828])
    assert same(network.rgb.state_dict(), restore_network(load_checkpoint(tmp_path / "rgb.pt")).state_dict())
    export_file(checkpoint, tmp_path / "back.tar")
    assert same(torch.load(tmp_path / "back.tar")["model"], state)

    unnamed = config("modality=rgbd", "streams=null", "start.checkpoint=x.pt")
    with pytest.raises(CheckpointError, match="has the fusion without its streams; import their files, too"):
        import_file(path, unnamed)


def test_streams_of_other_clips_do_not_make_a_fusion(tmp_path: Path) -> None:
    settings = streams_in(tmp_path, num_frames=16)
    path = write(tmp_path / "fusion.tar", reference_state("fusion_t32"))
    with pytest.raises(CheckpointError, match=r"rgb\.pt: was trained with .*clip\.num_frames was 16, is 32"):
        import_file(path, config("modality=rgbd", *settings))


def mixed_up(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "dtn.cls_tokens.0.pos_embedding": torch.zeros(1, 8, 512)}


def without(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key != "SMS_layers.3.linear.bias"}


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (mixed_up, (), "recouplings are of clips of 16 frames and its small branch reads 7 of them"),
        (without, (), r"another network: missing SMS_layers\.3\.linear\.bias"),
        (lambda state: {**state, "extra.weight": torch.zeros(1)}, (), r"left over extra\.weight"),
        (dict, ("modality=rgbd", "streams.rgb=a", "streams.depth=b"), "has the weights of one stream"),
        (dict, ("network.num_blocks=4",), r"left over dtn\.multi_scale_transformers\.0\.2\.layers\.4"),
        (lambda _: {"classifier.weight": torch.zeros(1)}, (), "so it is of another network"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, change: object, settings: tuple[str, ...], message: str) -> None:
    assert callable(change)
    path = write(tmp_path / "odd.tar", change(reference_state("unimodal_t16")))
    with pytest.raises(UserError, match=message):
        import_file(path, config(*settings))


def test_fine_tuning_lists_what_depends_on_the_number_of_frames(tmp_path: Path) -> None:
    """The reference leaves out what does not fit, without a word, and the heads always."""
    checkpoint, _ = import_file(write(tmp_path / "t32.tar", reference_state("unimodal_t32")), config())
    save_checkpoint(tmp_path / "t32.pt", checkpoint)
    short = config("clip.num_frames=16", f"start.checkpoint={tmp_path / 't32.pt'}")
    identity = DataIdentity(checkpoint.class_names, splits={}, preparation=None)
    with pytest.raises(CheckpointError) as error:
        load_start(build_network(short, 60), short, identity)
    differing = {line.split(" is (")[0] for line in str(error.value).split("; ") if " is (" in line}
    shapes = [json.loads((GOLDEN / f"state_dict_unimodal_t{frames}.json").read_text()) for frames in (16, 32)]
    assert len(differing) == sum(shapes[0][key] != shapes[1][key] for key in shapes[0]) == 30

    same_clips = config(f"start.checkpoint={tmp_path / 't32.pt'}")
    network = build_network(same_clips, 60)
    assert load_start(network, same_clips, identity) == []
    ours = restore_network(checkpoint).state_dict()
    assert torch.equal(network.state_dict()["heads.large.1.weight"], ours["heads.large.1.weight"]), "heads, too"
    named = config(f"start.checkpoint={tmp_path / 't32.pt'}", "start.new=[heads]")
    assert {key.split(".")[0] for key in load_start(build_network(named, 60), named, identity)} == {"heads"}


def test_there_and_back_through_the_command(tmp_path: Path) -> None:
    state = reference_state("unimodal_t16")
    source, ours, back = write(tmp_path / "a.tar", state), tmp_path / "ours.pt", tmp_path / "back.tar"
    result = run_module("training.import_weights", source, "--config", CONFIG, "--out", ours, "--set", "data.root=none")
    assert result.returncode == 0, result.stderr
    assert "586 of 586 entries matched, 0 unused" in result.stdout  # the temperature is ours alone
    assert "60 classes, tau 0.070; epoch 100" in result.stdout
    result = run_module("training.import_weights", ours, "--to-reference", "--out", back)
    assert result.returncode == 0 and "586 entries under the reference's names" in result.stdout
    assert same(torch.load(back)["model"], state)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("run",)

    torch.save({"model": {"a": torch.zeros(1)}, "args": Code()}, tmp_path / "evil.tar")
    assert_refused(
        run_module("training.import_weights", tmp_path / "evil.tar", "--config", CONFIG, "--out", tmp_path / "x.pt"),
        "holds objects that would run code",
    )
