"""Loading: which clips, in which order, with which draws; and what is said of broken data."""

from pathlib import Path

import pytest
import torch

from preprocess.convert import main as convert
from rgbd.dataset.layouts import NTU
from rgbd.errors import DatasetError, MediaError
from tests.support.processed import write_clips, write_config
from training.config.loading import load_config
from training.config.schema import TrainingConfig
from training.data.dataset import View
from training.data.loader import Loader


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    write_clips(tmp_path / "data", clips={"train": 11, "valid": 5})
    return load_config(write_config(tmp_path / "run.yml", tmp_path / "data", tmp_path / "out", batch_size=4))


def test_evaluation_reads_every_clip_once_over_any_number_of_processes(config: TrainingConfig) -> None:
    for world_size in (1, 2, 3):
        loaders = [Loader(config, "valid", rank=rank, world_size=world_size) for rank in range(world_size)]
        seen = [index for loader in loaders for batch in loader.epoch(0) for index in batch.indices.tolist()]
        assert sorted(seen) == list(range(5))


def test_training_shares_are_even_disjoint_and_shuffled(config: TrainingConfig) -> None:
    def order(rank: int, epoch: int) -> list[int]:
        loader = Loader(config, "train", rank=rank, world_size=2)
        return [index for batch in loader.epoch(epoch) for index in batch.indices.tolist()]

    # 11 clips: 5 each, of which a last batch of one is left out because batch norm needs two.
    assert len(order(0, 0)) == len(order(1, 0)) == 4
    assert not set(order(0, 0)) & set(order(1, 0))
    assert order(0, 0) == order(0, 0) != order(0, 1)


def test_draws_depend_on_seed_epoch_and_clip_only(config: TrainingConfig) -> None:
    def clips(num_workers: int, epoch: int) -> dict[int, torch.Tensor]:
        with_workers = config.model_copy(update={"data": config.data.model_copy(update={"num_workers": num_workers})})
        loader = Loader(with_workers, "train", rank=0, world_size=1)
        return {
            int(index): batch.clips[0][row] for batch in loader.epoch(epoch) for row, index in enumerate(batch.indices)
        }

    here, there, later = clips(0, 3), clips(2, 3), clips(0, 4)
    assert here.keys() == there.keys()
    assert all(torch.equal(here[i], there[i]) for i in here)
    assert any(not torch.equal(here[i], later[i]) for i in here.keys() & later.keys())


def test_both_streams_share_one_geometry(tmp_path: Path) -> None:
    write_clips(tmp_path / "data", clips={"train": 4, "valid": 2})
    streams = {"rgb": "a.pt", "depth": "b.pt"}
    path = write_config(
        tmp_path / "f.yml", tmp_path / "data", tmp_path / "o", modality="rgbd", batch_size=4, streams=streams
    )
    batch = next(iter(Loader(load_config(path), "train", rank=0, world_size=1).epoch(0)))
    rgb, depth = batch.clips
    assert rgb.shape == depth.shape == (4, 8, 32, 32, 3)
    assert rgb.dtype == torch.uint8
    # The bar is bright in RGB and blue (far) in depth: the same pixels in both, if the geometry is the same.
    bar, far = rgb.float().mean(-1) > 130, depth[..., 2] > depth[..., 0]
    assert (bar == far).float().mean() > 0.9


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_broken_frame_is_named(config: TrainingConfig, num_workers: int) -> None:
    frame = next(config.data.root.glob("Images/*P003*/000000.jpg"))
    frame.write_bytes(frame.read_bytes()[:200])
    with_workers = config.model_copy(update={"data": config.data.model_copy(update={"num_workers": num_workers})})
    with pytest.raises(MediaError, match=r"^\S+000000\.jpg: the JPEG image is damaged"):
        list(Loader(with_workers, "valid", rank=0, world_size=1).evaluation(View()))


def test_missing_split_files_are_named(config: TrainingConfig) -> None:
    NTU.split_file(config.data.root, "train", "CS").unlink()
    with pytest.raises(DatasetError, match=r"train\.txt"):
        Loader(config, "train", rank=0, world_size=1)


def test_views_of_an_evaluation_read_other_frames_and_mirror(config: TrainingConfig) -> None:
    loader = Loader(config, "valid", rank=0, world_size=1)
    middle, late, mirrored = (
        next(iter(loader.evaluation(view))).clips[0] for view in (View(), View(0.9), View(flip=True))
    )
    assert not torch.equal(middle, late)
    assert torch.equal(middle.flip(3), mirrored)


def test_the_reference_crops_both_streams_apart(config: TrainingConfig) -> None:
    legacy = config.legacy.model_copy(update={"two_geometries": True})
    spec = config.clip.model_copy(update={"crop": (30, 30)})
    both = config.model_copy(update={"modality": "rgbd", "legacy": legacy, "clip": spec})
    rgb, depth = next(iter(Loader(both, "train", rank=0, world_size=1).epoch(0))).clips
    bar, far = rgb.float().mean(-1) > 130, depth[..., 2] > depth[..., 0]
    assert (bar == far).float().mean() < 0.9


def test_shards_give_the_same_batches_as_folders_in_loader_processes_too(
    config: TrainingConfig, tmp_path: Path
) -> None:
    root = config.data.root
    options = ("--data", str(root), "--out", str(tmp_path / "shards"), "--dataset", "ntu", "--format", "shards")
    assert convert([*options, "--jobs", "1"]) == 0
    data = config.data.model_copy(update={"root": tmp_path / "shards", "num_workers": 2})
    from_shards = config.model_copy(update={"data": data})
    batches = [list(Loader(each, "train", rank=0, world_size=1).epoch(0)) for each in (config, from_shards)]
    for folders, shards in zip(*batches, strict=True):
        assert folders.labels.tolist() == shards.labels.tolist()
        assert all(torch.equal(one, other) for one, other in zip(folders.clips, shards.clips, strict=True))
