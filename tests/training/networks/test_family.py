"""Families of somebody else's that do not keep to what they are asked: told what is wrong, before the first epoch."""

import sys
from pathlib import Path

import pytest

from rgbd.errors import ConfigError, UserError
from tests.support.processed import write_clips, write_config
from tests.support.small_step import ALONE
from training.config.loading import load_config
from training.run.checkpoint import CheckpointError, load_checkpoint
from training.run.display import Display
from training.run.folder import Launch
from training.run.resume import Beginning
from training.run.trainer import Trainer

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "training.md"
FAMILY = DOCUMENTATION.read_text().partition("```python\n")[2].partition("```")[0]  # what users are shown
SETTINGS = {"network": {"name": "their_family:FAMILY"}, "schedule": {"epochs": 1, "warmup_epochs": 0}}


@pytest.fixture(autouse=True)
def _forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_family", raising=False)


def write(folder: Path, changed: str = "", to: str = "") -> Path:
    """Write the family, in one place changed, and a configuration that names it."""
    assert changed in FAMILY
    (folder / "their_family.py").write_text(FAMILY.replace(changed, to) if changed else FAMILY)
    return write_config(folder / "c.yml", folder / "data", folder / "run", **SETTINGS)


def train(config: Path) -> None:
    settings = load_config(config)
    settings.out.mkdir(exist_ok=True)
    with Display(1, silent=True) as display:
        Trainer(settings, ALONE, display, Beginning(Launch(run="new", agents=frozenset()))).run()


def test_one_that_keeps_to_it_learns_with_volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clips(tmp_path / "data", clips={"train": 8, "valid": 2})
    train(write(tmp_path))
    best = tmp_path / "run" / "best.pt"
    assert load_checkpoint(best).config.network.name == "their_family:FAMILY"
    monkeypatch.delitem(sys.modules, "their_family")
    (tmp_path / "their_family.py").unlink()
    with pytest.raises(CheckpointError, match=r"best\.pt: 'their_family:FAMILY' cannot be imported"):
        load_checkpoint(best)


@pytest.mark.parametrize(
    ("changed", "to", "reason"),
    [
        (
            "nn.Linear(channels, num_classes)",
            "nn.Linear(channels, num_classes + 1)",
            r"head 'answer' gives scores \[2, 3\]",
        ),
        ('{"answer": self.scores}', '{"other": self.scores}', "a head 'other', and `heads` says nothing of it"),
        ('{"answer": self.scores}', "{}", "its network has no heads"),
        (
            "return Loss(F.cross_entropy(output.scores, labels, label_smoothing=config.loss.label_smoothing), {})",
            "return F.cross_entropy(output.scores, labels)",
            "returns Tensor",
        ),
        (", rng=None", "", r"fails on 2 black clips: TypeError: .*rng.*module\.py"),
        ("return Output(", "return (", "fails on 2 black clips: AttributeError: 'Tensor' .* 'heads'"),
    ],
)
def test_what_its_network_gives_is_tried(changed: str, to: str, reason: str, tmp_path: Path) -> None:
    write_clips(tmp_path / "data", clips={"train": 4, "valid": 2})
    with pytest.raises(UserError, match=f"network.name their_family:FAMILY: .*{reason}"):
        train(write(tmp_path, changed, to))


@pytest.mark.parametrize(
    ("changed", "to", "reason"),
    [
        ("class MyFamily(Family):", "class MyFamily:", r"must inherit from training\.networks\.family\.Family"),
        ('    heads = {"answer": Head("class scores before softmax")}\n', "", "has no `heads`"),
        ("    def build(self", "    def make(self", "cannot be imported .TypeError: .*abstract method '?build"),
        ("NetworkConfig, schema.LossConfig", "schema.LossConfig, NetworkConfig", "network must extend"),
        ("schema.ScheduleConfig", "int", "schedule must extend training.config.schema.ScheduleConfig"),
        ("import torch\n", "import torch\nraise SystemExit(0)\n", "cannot be imported .SystemExit: 0"),
        ("import torch\n", "import torch\n1 / 0\n", "cannot be imported .ZeroDivisionError"),
        ("import torch\n", "import torch\n)\n", "cannot be imported .SyntaxError"),
        ("FAMILY = MyFamily()", "FAMILY = 3", "is no family of networks: it has no `sections`"),
        ("FAMILY = MyFamily()", "", "cannot be imported .AttributeError"),
    ],
)
def test_what_is_no_family_is_told_with_the_configuration(changed: str, to: str, reason: str, tmp_path: Path) -> None:
    write_clips(tmp_path / "data", clips={"train": 4, "valid": 2})
    with pytest.raises(ConfigError, match=f"network.name.*{reason}"):
        train(write(tmp_path, changed, to))


@pytest.mark.parametrize("name", [".relative:FAMILY", "..x:F", "their_family:", ":FAMILY"])
def test_names_that_lead_nowhere(name: str, tmp_path: Path) -> None:
    config = write(tmp_path)
    with pytest.raises(ConfigError, match=r"c\.yml: network\.name: .*cannot be imported"):
        load_config(config, [f"network.name={name!r}"])


def test_a_fusion_may_begin_without_streams(tmp_path: Path) -> None:
    assert load_config(write(tmp_path), ["modality=rgbd"]).streams is None
