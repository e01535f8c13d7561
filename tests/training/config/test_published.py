"""The reference's own YAML files, and ours for the same data sets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rgbd.errors import ConfigError
from training.config.loading import config_yaml, load_config

PUBLISHED = Path(__file__).parent / "published_ntu.yml"  # as the published README shows it
CONFIGS = Path("configs")


def variant(tmp_path: Path, **changes: Any) -> Path:
    """Write the published file with some of its keys changed; a double underscore separates a section's."""
    values = yaml.safe_load(PUBLISHED.read_text())
    for name, value in changes.items():
        section, key = name.split("__")
        values[section][key] = value
    path = tmp_path / "published.yml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_the_published_file_means_our_defaults() -> None:
    config = load_config(PUBLISHED)
    ours = load_config(CONFIGS / "NTU.yml")
    assert config.data.num_workers == 6 and config.data.eval_batch_size == 6
    assert config.model_copy(update={"data": ours.data, "streams": ours.streams}) == ours


def test_all_its_keys_are_read(tmp_path: Path) -> None:
    path = variant(
        tmp_path,
        common__dataset="THUREAD",
        common__data="/data/THU",
        common__splits="/data/THU/dataset_splits/@2",
        common__optim="AdamW",
        common__scheduler={"name": "ReduceLR", "patience": 7, "warm_up_epochs": 0},
        common__loss={"name": "CE", "labelsmooth": False},
        common__loss_lamdb=[1, 0.1, 0.2, 0.3],
        common__vis_feature=True,
        model__w=4,
        model__temper=0.4,
        model__SEHeads=2,
        model__N=3,
        model__knn_attention=0.8,
        model__frp=False,
        model__recoupling=False,
        model__sharpness=False,
        model__pretrained="jester.pt",
        model__SYNC_BN=0,
        dataset__type="K",
        dataset__angle="(-45, 45)",
        dataset__resize="(256, 256)",
        dataset__media_frames=24,
    )
    config = load_config(path, ["out=runs/x"])
    assert (config.modality, config.data.dataset, config.data.protocol, config.data.root) == (
        *("depth", "thu_read", "CS2"),
        Path("/data/THU"),
    )
    assert (config.optimizer.name, config.schedule.name, config.schedule.patience) == ("adamw", "plateau", 7)
    assert (config.loss.label_smoothing, config.loss.heads) == (0.0, (1, 0.1, 0.2, 0.3))
    assert (config.schedule.warmup_epochs, config.schedule.tau) == (0, (1.0, 1.0))
    network = config.network
    assert (network.guidance_window, network.recoupling_heads, network.num_blocks) == (4, 2, 3)
    assert (network.kept_scores, network.guidance, network.recoupling) == (0.8, False, False)
    assert network.branch_frames == (16, 24, 48)
    assert (config.augment.angle_deg, config.clip.resize) == ((-45, 45), (256, 256))
    assert config.start is not None and config.start.checkpoint == Path("jester.pt")
    assert not config.compute.sync_batchnorm


def test_fusion_and_heads_that_do_not_count(tmp_path: Path) -> None:
    names = {"model__rgb_checkpoint": "a.pt", "model__depth_checkpoint": "b.pt", "model__pretrained": ""}
    assert load_config(variant(tmp_path, **names)).streams is None
    config = load_config(variant(tmp_path, model__Network="FusionNet", common__MultiLoss=False, **names))
    assert config.modality == "rgbd"
    assert config.streams is not None and config.streams.depth == Path("b.pt")
    assert config.loss.heads == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"common__optim": "Lion"}, "common.optim: 'Lion' is none of SGD, Adam, AdamW"),
        ({"dataset__type": "X"}, "dataset.type: 'X' is none of M, K, FusionNet"),
        ({"dataset__Blur": True}, "dataset.Blur: True is not offered"),
        ({"model__wings": 2}, "model.wings: is no key of the published files"),
        ({"common__epochs": "many", "model__wings": 2}, "common.epochs: 'many' .*; model.wings"),
    ],
)
def test_what_has_no_counterpart_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(variant(tmp_path, **changes))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("**/*.yml")), ids=str)
def test_every_configuration_is_valid_and_printed_as_it_is(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    printed = tmp_path / "printed.yml"
    printed.write_text(config_yaml(config))
    assert load_config(printed) == config


# docs/method.md, "Settings by data set": resize, crop, flip, rotated, largest angle, window, distillation temperature,
# epochs.
FACTS = {
    "NTU": ((320, 240), 224, 0.5, 0.5, 10, 10, 0.5, 100),
    "THU": ((320, 240), 200, 0.5, 0.8, 45, 10, 0.5, 100),
    "NvGesture": ((256, 256), 224, 0.0, 0.5, 10, 4, 0.4, 100),
    "IsoGD": ((256, 256), 224, 0.0, 0.5, 10, 10, 0.4, 300),
}


@pytest.mark.parametrize("name", FACTS)
def test_the_published_settings_of_each_data_set(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yml")
    augment, clip = config.augment, config.clip
    assert clip.crop[0] == clip.crop[1]
    assert FACTS[name] == (
        *(clip.resize, clip.crop[0], augment.flip, augment.rotated, augment.angle_deg[1]),
        *(config.network.guidance_window, config.loss.distillation_temperature, config.schedule.epochs),
    )
    for modality in ("depth", "rgbd"):
        assert load_config(CONFIGS / f"{name}.yml", [f"modality={modality}"]).modality == modality


@pytest.mark.parametrize(("theirs", "ours"), [("NvGesture", "NvGesture"), ("IsoGD", "IsoGD"), ("THUREAD", "THU")])
def test_a_file_of_theirs_gives_the_clip_of_our_own(tmp_path: Path, theirs: str, ours: str) -> None:
    clip = load_config(CONFIGS / f"{ours}.yml").clip
    path = variant(tmp_path, common__dataset=theirs, dataset__resize=str(clip.resize), dataset__crop_size=clip.crop[0])
    assert load_config(path).clip == clip
