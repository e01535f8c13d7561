"""Checkpoints of earlier versions, which call the modality `type`, and have the temperature beside the weights."""

from pathlib import Path

import pytest
import torch

from tests.support.checkpoints import rename_to_type, untrained
from training.run.checkpoint import CheckpointError, load_checkpoint, restore_network


def test_a_checkpoint_with_the_earlier_word_is_read_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    today = load_checkpoint(untrained("depth", tmp_path / "best.pt")).config
    assert capsys.readouterr().err == ""
    rename_to_type(tmp_path / "best.pt", "K")
    for _ in range(2):
        assert load_checkpoint(tmp_path / "best.pt").config == today
    assert capsys.readouterr().err == f"{tmp_path / 'best.pt'}: type: K is now modality: depth\n"


def test_one_that_says_nothing_known_or_two_things_is_refused(tmp_path: Path) -> None:
    path = untrained("rgb", tmp_path / "best.pt")
    rename_to_type(path, "Q")
    with pytest.raises(
        CheckpointError, match=r"best\.pt: type: 'Q' is unknown; set modality to one of rgb, depth, rgbd"
    ):
        load_checkpoint(path)
    content = torch.load(path)
    content["config"] |= {"type": "M", "modality": "depth"}
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"best\.pt: type: M means modality: rgb, and modality is 'depth'"):
        load_checkpoint(path)


def test_the_temperature_of_version_2_is_the_state_of_the_epoch(tmp_path: Path) -> None:
    path = untrained("rgb", tmp_path / "best.pt")
    content = torch.load(path)
    assert content.pop("epoch_state") == {"tau": 0.5}
    torch.save({**content, "format_version": 2, "tau": 0.25}, path)
    checkpoint = load_checkpoint(path)
    assert checkpoint.epoch_state == {"tau": 0.25}
    clip = (torch.zeros(1, 8, 32, 32, 3, dtype=torch.uint8),)
    today = restore_network(load_checkpoint(untrained("rgb", tmp_path / "today.pt"))).eval()
    with torch.no_grad():
        earlier = restore_network(checkpoint).eval()(*clip).heads()
        assert all(torch.allclose(earlier[head], 2 * scores) for head, scores in today(*clip).heads().items())
