"""Files and overrides that still say `type`, as earlier versions did, with the codes of the published files."""

from pathlib import Path

import pytest

from rgbd.errors import ConfigError
from tests.support.commands import run_module
from training.config.loading import config_yaml, load_config


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that says `type: M`."""
    path = tmp_path / "run.yml"
    path.write_text("type: M\nstreams: {rgb: a.pt, depth: b.pt}\n")
    return path


def test_a_file_is_read_and_a_note_names_the_new_word_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_config(path)
    assert load_config(path) == config
    assert config.modality == "rgb"
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", f"{path}: type: M is now modality: rgb\n")
    printed = path.with_name("printed.yml")
    printed.write_text(config_yaml(config))
    assert load_config(printed) == config
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("code", "modality"), [("K", "depth"), ("FusionNet", "rgbd")])
@pytest.mark.parametrize("of_file", ["type: M", "modality: rgb"])
def test_an_override_wins_over_the_file(
    path: Path, capsys: pytest.CaptureFixture[str], of_file: str, code: str, modality: str
) -> None:
    path.write_text(path.read_text().replace("type: M", of_file))
    assert load_config(path, [f"type={code}"]).modality == modality
    assert capsys.readouterr().err.endswith(f"--set: type: {code} is now modality: {modality}\n")
    assert load_config(path, [f"modality={modality}"]).modality == modality


@pytest.mark.slow
def test_one_process_of_many_says_it(path: Path) -> None:
    launch = ("--standalone", "--nproc_per_node=2", "training/main.py")
    result = run_module("torch.distributed.run", *launch, "--config", path, "--print-config")
    assert result.stdout.count("modality: rgb") == 2
    assert result.stderr.count(f"{path}: type: M is now modality: rgb") == 1


def test_both_words_may_say_the_same_and_not_otherwise(path: Path) -> None:
    path.write_text("type: M\nmodality: rgb\n")
    assert load_config(path).modality == "rgb"
    with pytest.raises(ConfigError, match=r"^--set: type: K means modality: depth, and modality is 'rgb'"):
        load_config(path, ["type=K", "modality=rgb"])
    path.write_text("type: M\nmodality: depth\n")
    with pytest.raises(ConfigError, match=r"run\.yml: type: M means modality: rgb, and modality is 'depth'; leave out"):
        load_config(path)


@pytest.mark.parametrize("code", ["Q", "rgb", "[M]", "null"])
def test_an_unknown_code_is_told_what_there_is(path: Path, code: str) -> None:
    with pytest.raises(ConfigError, match=r"^--set: type: .* is unknown; set modality to one of rgb, depth, rgbd"):
        load_config(path, [f"type={code}"])
    path.write_text(f"type: {code}\n")
    with pytest.raises(ConfigError, match=r"run\.yml: type: .* is unknown; set modality to one of rgb, depth, rgbd"):
        load_config(path)
