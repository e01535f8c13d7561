"""The page about a run: its figures are those of the scores, its pictures those of the network, nothing is foreign."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rgbd.dataset.layouts import NTU
from rgbd.errors import DatasetError, UserError
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips, write_config
from training.config.loading import load_config
from training.networks.dsn.explanation import explain
from training.networks.dsn.single_stream import UnimodalNet
from training.networks.dsn.temporal import BRANCHES
from training.report.page import make_page
from training.run.checkpoint import Checkpoint, Position, build_network, load_checkpoint, save_checkpoint
from training.run.metrics import Evaluation, ScoresSource, load_evaluation, save_evaluation

NAMES = ("right", '<script>alert("down")</script>')
CLIPS = tuple(f"S001C001P003R{number + 1:03d}A{number % 2 + 1:03d}" for number in range(5))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_clips(tmp_path / "data", clips={"train": 2, "valid": 5})
    return tmp_path / "data"


def write_run(data: Path, run: Path, **sections: object) -> Path:
    """Write the folder of a run whose network has learnt nothing; the scores name two of five clips wrongly."""
    config = load_config(write_config(data.parent / "run.yml", data, run, **sections))
    torch.manual_seed(0)
    model = build_network(config, 2).state_dict()
    position = Position(epoch=3)
    checkpoint = Checkpoint(
        config=config, class_names=NAMES, position=position, epoch_state={"tau": 1.0}, metrics={}, model=model
    )
    run.mkdir()
    save_checkpoint(run / "best.pt", checkpoint)
    scores = np.array([[3, 0], [0, 3], [1, 4], [6, 0], [2, 0]], np.float32)
    save_evaluation(run / "scores-valid.npz", Evaluation({"logits": scores}, np.array([0, 1, 0, 1, 0]), CLIPS))
    rows = [
        {"epoch": 1, "train": {"loss": 2.0, "loss_ce_fused": 1.0, "top1": 0.5, "lr": 0.1}, "valid": None},
        {"epoch": 3, "train": {"loss": 1.0, "loss_ce_fused": 0.5, "top1": 0.75, "lr": 0.0}, "valid": {"top1": 0.6}},
    ]
    (run / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def test_the_page_tells_what_was_taken_for_what(data: Path) -> None:
    page = make_page(write_run(data, data.parent / "run"))
    assert re.findall(r"<h2[^>]*>([^<]+)", page) == [
        "How it went",
        "What is taken for what",
        "The most certain mistakes",
        "What it looks at",
        "Settings",
    ]
    assert "<b>60.0 %</b>top-1" in page and "<b>2</b>taken wrongly" in page and "weights of epoch 3" in page
    cells = re.findall(r'class="(hit|miss)" style="--s:(0\.\d\d)" title="[^"]* of (\d) taken', page)
    assert cells == [("hit", "0.67", "3"), ("miss", "0.33", "3"), ("miss", "0.50", "2"), ("hit", "0.50", "2")]
    mistakes = page[page.index("most certain mistakes") : page.index("What it looks at")]
    # Six points apart is more certain than three.
    assert re.findall(r"<b>(S\w+)</b>", mistakes) == [CLIPS[3], CLIPS[2]] and "99.8 % sure" in mistakes
    assert page.count('<polyline class="c0" points="0.0,50.0 300.0,25.0"') == 1  # training accuracy
    assert "data:image/jpeg;base64," in mistakes


def test_the_page_needs_no_other_file_and_keeps_hostile_names_harmless(data: Path) -> None:
    page = make_page(write_run(data, data.parent / "run"))
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "url(" not in page and "http" not in page


def test_the_page_says_which_weights_it_shows_and_shows_no_others(data: Path) -> None:
    run = write_run(data, data.parent / "run")
    digest = load_checkpoint(run / "best.pt").weights_digest()
    source = ScoresSource(weights=(digest,), data=data, split="valid", clips=3, flip=True)
    scores = load_evaluation(run / "scores-valid.npz")
    save_evaluation(run / "scores-valid.npz", replace(scores, source=source))
    assert f"weights of epoch 3 ({digest[:8]}), mean of 6 views" in make_page(run, num_explained=0, num_mistakes=0)
    other = source.model_copy(update={"weights": ("0" * 64,)})
    save_evaluation(run / "scores-valid.npz", replace(scores, source=other))
    with pytest.raises(DatasetError, match=r"scores-valid\.npz: is of other weights than best\.pt; remove it and eval"):
        make_page(run)


def test_explained_clips_are_of_different_classes_and_wrong_ones_among_them(data: Path) -> None:
    run = write_run(data, data.parent / "run")
    scores = np.array([[2, 0], [0, 5], [1, 4], [6, 0], [2, 0]], np.float32)
    save_evaluation(run / "scores-valid.npz", Evaluation({"logits": scores}, np.array([0, 1, 0, 1, 0]), CLIPS))
    page = make_page(run, num_explained=2)
    why = page[page.index("What it looks at") :]
    # The most certain mistake is of class 1, and so is the most certain right answer.
    assert re.findall(r"<b>(S\w+)</b>", why) == [CLIPS[3], CLIPS[0]]


def test_chosen_clips_of_both_streams_are_explained(data: Path) -> None:
    streams = {"rgb": "a.pt", "depth": "b.pt"}
    run = write_run(data, data.parent / "run", modality="rgbd", streams=streams)
    page = make_page(run, clips=(CLIPS[4],))
    why = page[page.index("What it looks at") :]
    assert re.findall(r"<b>(S\w+)</b>", why) == [CLIPS[4]]
    assert re.findall(r"<h3>(\w+)</h3>", why) == ["rgb", "depth"]
    assert why.count("data:image/jpeg;base64,") == 2 and why.count("data:image/png;base64,") == 2 * len(BRANCHES)
    with pytest.raises(DatasetError, match="nobody: not among the split's clips"):
        make_page(run, clips=("nobody",))


def test_without_the_data_set_the_figures_are_there_and_the_page_says_why_the_clips_are_not(data: Path) -> None:
    run = write_run(data, data.parent / "run")
    moved = data.rename(data.parent / "moved")
    page = make_page(run)
    assert "<b>60.0 %</b>top-1" in page and "say where the data set lies with --data" in page
    assert "image/jpeg" in make_page(run, data=moved)
    for frame in NTU.frame_path(moved, "rgb", CLIPS[3], 0).parent.iterdir():
        frame.write_bytes(b"")
    assert "not a readable JPEG" in make_page(run, data=moved)


def test_a_network_whose_numbers_are_none_is_told_and_not_drawn(data: Path) -> None:
    run = write_run(data, data.parent / "run")
    content = torch.load(run / "best.pt")
    for name, values in content["model"].items():
        if values.is_floating_point() and name.endswith("weight"):
            content["model"][name] = values * 1e15
    torch.save(content, run / "best.pt")
    page = make_page(run)
    assert "computes something that is no number" in page and "--s:nan" not in page


def test_a_folder_without_a_run_or_scores_is_refused(data: Path) -> None:
    assert_refused(run_module("training.report", data), "best.pt: cannot be read")
    run = write_run(data, data.parent / "run")
    (run / "scores-valid.npz").unlink()
    with pytest.raises(UserError, match=r"training\.evaluate --checkpoint"):
        make_page(run)


def small_network(data: Path) -> UnimodalNet:
    """Return the network that `write_config` describes, with random weights."""
    config = load_config(write_config(data.parent / "run.yml", data, data))
    torch.manual_seed(0)
    network = build_network(config, 2)
    assert isinstance(network, UnimodalNet)
    return network


def test_activation_guidance_and_attention_are_the_networks(data: Path) -> None:
    network = small_network(data)
    clip = torch.randint(0, 256, (1, 8, 32, 32, 3), dtype=torch.uint8)
    before = network.eval()(clip).logits
    explanation = explain(network, (clip,), 1)
    (stream,) = explanation.streams
    activation, guidance = (maps.values for maps in stream.maps)
    assert activation.shape == (8, 1, 1) and activation.max() == 1 and activation.min() >= 0
    assert guidance.shape == (8, 32, 32)
    assert (guidance[:2] == 0).all() and guidance.max() == 1  # the window is of three frames
    sizes = {name: weights.shape[0] for name, weights in stream.matrices.items()}
    assert sizes == {"small": 3, "medium": 5, "large": 7}
    for weights in stream.matrices.values():
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.diag(explanation.similarity), 1, rtol=1e-5)
    assert torch.equal(network(clip).logits, before)  # and it is left as it was


def test_activation_is_what_the_score_gains_by_stronger_features(data: Path) -> None:
    network = small_network(data)
    clip = torch.randint(0, 256, (1, 8, 64, 64, 3), dtype=torch.uint8)
    activation = explain(network, (clip,), 1).streams[0].maps[0].values
    assert activation.shape == (8, 2, 2)

    def score(place: tuple[int, ...], factor: float) -> float:
        strength = torch.ones(8, 1, 2, 2)
        strength[place[0], 0, place[1], place[2]] = factor
        features = network.backbone.spatial.get_submodule("mixed_5c")
        with features.register_forward_hook(lambda _module, _inputs, output: output * strength), torch.no_grad():
            return float(network(clip).logits[0, 1])

    gains = np.array([(score(place, 1.02) - score(place, 0.98)) for place in np.ndindex(8, 2, 2)]).reshape(8, 2, 2)
    np.testing.assert_allclose(activation, np.maximum(gains / gains.max(), 0), atol=0.02)
