"""The second family's published YAML files and command lines, and our configurations for the same data sets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rgbd.errors import ConfigError
from tests.support.commands import assert_refused, run_module
from training.config.loading import load_config
from training.config.schema import TrainingConfig
from training.translate import translate_command

PUBLISHED = Path(__file__).parent / "published_umdr_ntu.yml"  # the settings of its config/NTU.yml, with other paths
CONFIGS = Path("configs/umdr")
LAUNCH = "python -m torch.distributed.launch --nproc_per_node=8 --master_port=1234 --use_env"
DATA = f"--config {PUBLISHED} --data /data/frames --splits /data/dataset_splits/@CS/ --save out/ --batch-size 16"
MIXING = "--smprob 0.2 --mixup 0.8 --shufflemix 0.3 --epochs 100"
STREAM = f"train.py {DATA} --sample-duration 32 --opt sgd --lr 0.01 --sched cosine {MIXING} --distill 0.2 --type M"
FUSION = (
    f"train_fusion.py {DATA} --sample-duration 32 {MIXING} --distill 0.0 --intar-fatcer 2 --FusionNet cs32 --lr 0.01 "
    "--sched step --opt sgd --decay-epochs 10 --scc-depth 2 --tcc-depth 4"
)


def translated(command: str) -> tuple[TrainingConfig, list[str]]:
    ours, notes = translate_command(f"{LAUNCH} {command}".split())
    return TrainingConfig.model_validate(ours), notes


def same_but_for_places(theirs: TrainingConfig, ours: TrainingConfig, **changes: Any) -> bool:
    """Whether two configurations differ in nothing but paths, the seed, and the number of processes for loading."""
    places = {"data": ours.data, "out": ours.out, "streams": ours.streams, "seed": ours.seed}
    return theirs.model_copy(update={**places, **changes}) == ours


def test_the_published_command_of_a_stream_means_our_file() -> None:
    theirs, notes = translated(STREAM)
    ours = load_config(CONFIGS / "NTU.yml", ["schedule.step_epochs=30"])
    assert same_but_for_places(theirs, ours) and not notes
    assert (theirs.data.root, theirs.data.protocol, theirs.data.dataset) == (Path("/data/frames"), "CS", "ntu")


def test_the_published_command_of_the_fusion_means_our_file() -> None:
    theirs, notes = translated(FUSION)
    ours = load_config(CONFIGS / "NTU.yml", ["modality=rgbd", "schedule.name=step", "loss.distillation=0"])
    assert same_but_for_places(theirs, ours)
    assert theirs.streams is not None and theirs.streams.rgb == Path("rgb32.pth.tar")
    assert [note.split(":")[0] for note in notes] == ["--FusionNet cs32", "--distill"]


@pytest.mark.parametrize(
    ("flags", "mixing"),
    [
        ("--mixup 0 --shufflemix 0.3 --smprob 0.2", (0.0, 0.0, 0.5)),  # without MixUp it mixes nothing
        ("--mixup 0.001 --shufflemix 0.3 --smprob 0", (0.001, 0.0, 0.5)),
        ("--mixup 0.8 --shufflemix 0.3 --smprob 1", (0.0, 0.3, 0.5)),
        ("", (0.8, 0.2, 0.3)),
    ],
)
def test_what_is_mixed(flags: str, mixing: tuple[float, float, float]) -> None:
    augment = translated(f"train.py --config {PUBLISHED} {flags}")[0].augment
    assert (augment.mixup, augment.shufflemix, augment.shufflemix_share) == mixing


def test_what_the_command_leaves_out_is_as_its_parser_says() -> None:
    config, _ = translated(f"train.py --config {PUBLISHED}")
    assert (config.optimizer.name, config.optimizer.lr, config.clip.num_frames) == ("adamw", 5e-4, 16)
    assert (config.loss.distillation, config.loss.distillation_temperature) == (0.3, 0.6)
    assert load_config(PUBLISHED).model_copy(update={"out": config.out}) == config


def test_weights_to_fine_tune_and_other_flags() -> None:
    config, _ = translated(
        f"train.py --config {PUBLISHED} --finetune ntu.pt --model-ema --fp16 --opt momentum --dr 0.5"
    )
    assert config.start is not None and config.start.new == ("heads",), "named: they are dropped without a word there"
    assert (config.optimizer.ema_decay, config.compute.autocast) == (0.99996, "fp16")
    assert (config.optimizer.nesterov, config.schedule.factor) == (False, 0.5)


def test_splits_name_the_protocol(tmp_path: Path) -> None:
    values = yaml.safe_load(PUBLISHED.read_text())
    values["common"]["num_classes"] = 120
    (tmp_path / "NTU120.yml").write_text(yaml.safe_dump(values))
    for file, folder, protocol in (
        (PUBLISHED, "splits/@CV/", "CV"),
        (PUBLISHED, "splits/@2/rgb", "CS2"),
        (PUBLISHED, "splits/rgb", "CS"),
        (tmp_path / "NTU120.yml", "splits/@CSet", "CSet120"),
    ):
        assert translated(f"train.py --config {file} --splits {folder}")[0].data.protocol == protocol


IDLE = (
    "--drop 0.1 --drop-path 0.2 --drop_path_prob 0.5 --shuffle --color-jitter 0.4 --autoaug --aa x --world_size 8 "
    "--train-interpolation bicubic --repeated-aug --translate 20 --resplit --temporal-consist --cooldown-epochs 10 "
    "--demo_dir d --save_grid_image --num-classes 60 --test-batch-size 32 --w 4 --DC-weight 0.2"
)


def test_flags_that_do_nothing_are_named() -> None:
    config, notes = translated(f"{STREAM} {IDLE}")
    named = {note.split(":")[0] for note in notes}
    assert named == {word for word in IDLE.split() if word.startswith("--")}
    assert config == translated(STREAM)[0]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--smixmode sm_v3", "--smixmode sm_v3: is not offered; its published commands leave it at sm"),
        ("--smixmode mu_sm", "--smixmode mu_sm: is not offered"),
        ("--mixup-mode pair", "--mixup-mode pair: is not offered; its published commands leave it at batch"),
        ("--frp-num 3", "--frp-num 3: is not offered"),
        ("--tempMix --lr many", "--lr: 'many' could not.*; --tempMix: is not offered"),
        ("--type X", "--type: 'X' is none of M, K"),
        ("--mixup", "argument --mixup: expected one argument"),
        ("--distil 0.2", "--distil: is no flag of its train.py"),
    ],
)
def test_flags_without_a_counterpart_are_refused(flags: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        translated(f"train.py --config {PUBLISHED} {flags}")


def test_neutral_values_of_what_is_not_offered_pass() -> None:
    config, _ = translated(f"{STREAM} --cutmix 0.0 --mixup-mode batch --smixmode sm --frp-num 0")
    assert config == translated(STREAM)[0]


def test_files_and_commands_of_something_else(tmp_path: Path) -> None:
    first_family = Path(__file__).parent / "published_ntu.yml"
    for words, message in (
        (["fusion.py"], "expected a command line of train.py or train_fusion.py"),
        (["train.py"], "--config is missing"),
        (["train.py", "--config", str(tmp_path / "none.yml")], "none.yml: cannot be read"),
        (["train.py", "--config", str(first_family)], "is no published file of UMDR"),
        (["train_fusion.py", "--config", str(PUBLISHED)], "--FusionNet is missing"),
    ):
        with pytest.raises(ConfigError, match=message):
            translate_command(words)
    values = yaml.safe_load(PUBLISHED.read_text())
    values["model"]["wings"] = 2
    (tmp_path / "c.yml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"model\.wings: is no key of the published files"):
        load_config(tmp_path / "c.yml")


def test_the_command_prints_a_file_that_loads(tmp_path: Path) -> None:
    result = run_module("training.translate", *STREAM.split(), "--drop", "0.1")
    assert result.returncode == 0 and "--drop: does nothing there" in result.stderr
    (tmp_path / "ours.yml").write_text(result.stdout)
    assert load_config(tmp_path / "ours.yml") == translated(STREAM)[0]
    assert_refused(run_module("training.translate", "train.py"), "--config is missing")


# docs/method.md, "The second family": resize, crop, flip, rotated, largest angle, MixUp, ShuffleMix, distillation.
FACTS = {
    "NTU": ((320, 240), 224, 0.5, 0.5, 10, 0.8, 0.3, 0.2),
    "NTU120": ((320, 240), 224, 0.5, 0.5, 10, 0.8, 0.3, 0.2),
    "THU": ((320, 240), 200, 0.5, 0.8, 45, 0.8, 0.3, 0.2),
    "NvGesture": ((256, 256), 224, 0.0, 0.5, 20, 0.001, 0.0, 0.0),
    "IsoGD": ((256, 256), 224, 0.0, 0.5, 10, 0.8, 0.3, 0.2),
}


@pytest.mark.parametrize("name", FACTS)
def test_the_published_settings_of_each_data_set(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yml")
    augment, clip = config.augment, config.clip
    assert FACTS[name] == (
        *(clip.resize, clip.crop[0], augment.flip, augment.rotated, augment.angle_deg[1]),
        *(augment.mixup, augment.shufflemix, config.loss.distillation),
    )
    for modality in ("depth", "rgbd"):
        assert load_config(CONFIGS / f"{name}.yml", [f"modality={modality}"]).out.name.startswith("umdr-")
    for frames in (["clip.num_frames=16"], ["clip.num_frames=64", "network.branch_divisor=4"]):
        assert load_config(CONFIGS / f"{name}.yml", frames).network.name == "umdr"
