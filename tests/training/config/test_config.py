"""What a configuration file may say, and what a person reads when it is wrong."""

from pathlib import Path

import pytest

from rgbd.errors import ConfigError
from training.config.loading import load_config

MINIMAL = "modality: rgb\nout: runs/rgb\ndata: {root: data}\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yml"
    path.write_text(text)
    return path


def test_published_values_are_the_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, MINIMAL))
    assert (config.optimizer.name, config.optimizer.lr, config.optimizer.weight_decay) == ("sgd", 0.01, 3e-4)
    assert (config.clip.num_frames, config.clip.resize, config.clip.crop) == (64, (320, 240), (224, 224))
    assert config.network.branch_frames == (16, 32, 48)
    assert config.modalities == ("rgb",)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL + "schedule: {epochs: 5}\n")
    config = load_config(
        path, ["schedule.epochs=7", "modality=depth", "clip.resize=[256, 256]", "loss.distillation=0.25"]
    )
    assert config.schedule.epochs == 7
    assert config.modalities == ("depth",)
    assert config.clip.resize == (256, 256)
    assert config.loss.distillation == 0.25


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("schedule: {epoch: 3}", r"schedule\.epoch: is an unknown key; did you mean 'epochs'"),
        ("optimiser: {}", "optimiser: is an unknown key; did you mean 'optimizer'"),
        ("clip: {depth: {mood: range}}", r"clip\.depth\.mood: is an unknown key; did you mean 'mode'"),
        ("streams: {rbg: a, depth: b, rgb: c}", r"streams\.rbg: is an unknown key; did you mean 'rgb'"),
        ("zzz: 1", "zzz: is an unknown key; known keys are: modality, seed"),
        ("network: {widht: 1}", r"network\.widht: is an unknown key; did you mean 'width'"),
        (
            "legacy: {sum_distilation: true}",
            r"legacy\.sum_distilation: is an unknown key; did you mean 'sum_distillation'",
        ),
        ("network: {name: 5}", r"network\.name: 5 is no name"),
        ("network: {name: umdr2}", r"network\.name: 'umdr2' is no family of networks; choose dsn, umdr, or name yours"),
        ("network: {name: 'no.such:F'}", r"network\.name: 'no.such:F' cannot be imported"),
        ("batch_size: 1", r"batch_size: .*greater than or equal to 2 \(got 1\)"),
        ("clip: {crop: 300}", "does not fit into resize"),
        ("data: {root: data, dataset: nut}", "dataset 'nut' is unknown; choose one of: ntu"),
        ("network: {width: 0.3}", "num_heads 8 must divide the token width 154"),
        ("network: {branch_frames: [0, 1, 2]}", r"network\.branch_frames\.0: .*greater than 0 \(got 0\)"),
        ("network: {branch_frames: [16, 32, 65]}", r"branch_frames \[16, 32, 65\] reads more than the 64"),
        ("network: {guidance_window: 65}", "guidance_window 65 is longer than a clip, which has 64"),
        ("network: {kept_scores: 0.01}", "kept_scores 0.01 keeps none of a branch's 17 scores"),
        ("loss: {heads: [0, 0, 0, 0]}", "heads are all 0, so that no class would be learnt"),
        ("schedule: {tau: [0, 0.07]}", r"schedule\.tau\.0: .*greater than or equal to 0.001"),
        ("optimizer: {lr: 1.0e-3, min_lr: 0.01}", "min_lr 0.01 is above lr 0.001"),
        ("seed: 9223372036854775808", "seed: .*less than 9223372036854775808"),
        ("legacy: {warmup: true}\nschedule: {name: step}", "schedule.name is step, which no published"),
        ("out: elsewhere", "'out' is written twice; keep one of both"),
        ("clip: {crop: 200, crop: 224}", "'crop' is written twice"),
    ],
)
def test_wrong_keys_and_values_are_named(tmp_path: Path, extra: str, message: str) -> None:
    base = MINIMAL.replace("data: {root: data}\n", "") if extra.startswith("data") else MINIMAL
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, base + extra + "\n"))


def test_words_are_taken_as_they_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "run.yml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())  # as some editors begin a file
    assert load_config(path).modality == "rgb"
    assert load_config(path, ["compute.autocast=off"]).compute.autocast == "off"  # YAML takes it for no
    path.write_text(MINIMAL + "compute: {autocast: off}\n")
    assert load_config(path).compute.autocast == "off"


def test_what_does_not_guide_may_be_longer_than_the_clip(tmp_path: Path) -> None:
    text = MINIMAL + "network: {guidance: false, guidance_window: 65}\n"
    assert load_config(write(tmp_path, text)).network.guidance_window == 65


def test_fusion_needs_two_streams(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs streams\.rgb and streams\.depth"):
        load_config(write(tmp_path, MINIMAL.replace("modality: rgb", "modality: rgbd")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.dataset=jester", "modality=depth"], "jester has no depth; the modality must be rgb"),
        (["data.dataset=msr_action3d", "modality=rgb"], "msr_action3d has no colour; the modality must be depth"),
        (
            ["data.dataset=msr_action3d", "modality=rgbd", "streams={rgb: a.pt, depth: b.pt}"],
            "msr_action3d has no colour; the modality must be depth",
        ),
    ],
)
def test_a_stream_that_the_data_set_does_not_have_is_named(tmp_path: Path, settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, MINIMAL), settings)


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        (["modality=rgb"], "runs/ntu-CS-rgb"),
        (["modality=rgbd", "streams={rgb: a.pt, depth: b.pt}", "data.protocol=CV"], "runs/ntu-CV-rgbd"),
        (["modality=rgb", "data.dataset=jester"], "runs/jester-rgb"),  # which has one protocol, without a name
    ],
)
def test_a_run_has_a_folder_of_its_own_by_default(tmp_path: Path, settings: list[str], folder: str) -> None:
    assert load_config(write(tmp_path, "seed: 0\n"), settings).out == Path(folder)


def test_unreadable_files_and_overrides(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_config(tmp_path / "nowhere.yml")
    with pytest.raises(ConfigError, match="expected a mapping"):
        load_config(write(tmp_path, "- a\n- b\n"))
    with pytest.raises(ConfigError, match=r"expected section\.key=value"):
        load_config(write(tmp_path, MINIMAL), ["epochs"])
