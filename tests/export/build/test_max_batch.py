"""How many clips at a time a bundle promises: what they take is measured, and what there is, is read."""

from pathlib import Path

import psutil
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bench.contenders import contenders
from export.build import max_batch
from export.build.max_batch import MemoryNeed, choose_max_batch, fit_batch
from export.bundle.folder import Bundle, read_bundle
from export.runtimes.machine import available_memory_mb
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError

GIB = 2**30 / 1e6  # megabytes
PUBLISHED = ClipSpec(num_frames=64, resize=(256, 256), crop=224, size=224)
SMALL, LARGE = (MemoryNeed(name, GIB, one * GIB, 3 * GIB) for name, one in (("openvino-fp32", 2), ("onnx-fp32", 5)))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 24000000 kB\nMemFree: 1 kB\nMemAvailable: 20000000 kB\nBuffers: 9 kB\n"}
V2 = "sys/fs/cgroup"
V1 = "sys/fs/cgroup/memory"


@pytest.mark.parametrize(
    ("files", "available"),
    [
        ({}, 20480),
        ({"proc/self/cgroup": "0::/\n"}, 20480),
        (
            {
                "proc/self/cgroup": "0::/jobs/mine\n",
                f"{V2}/jobs/mine/memory.max": "max\n",
                f"{V2}/jobs/mine/memory.current": "1000000\n",
                f"{V2}/jobs/mine/memory.stat": "anon 1\ninactive_file 0\n",
                f"{V2}/jobs/memory.max": "8000000000\n",  # what holds the group is limited, too
                f"{V2}/jobs/memory.current": "3000000000\n",
                f"{V2}/jobs/memory.stat": "anon 1\nactive_file 7\ninactive_file 500000000\n",
            },
            5500,
        ),
        (
            {
                "proc/self/cgroup": "0::/system.slice/docker-1.scope\n",  # as the machine calls it
                f"{V2}/memory.max": "4000000000\n",
                f"{V2}/memory.current": "1000000000\n",
                f"{V2}/memory.stat": "inactive_file 0\n",
            },
            3000,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/job\n4:memory:/job\n0::/\n",
                f"{V1}/job/memory.limit_in_bytes": "2000000000\n",
                f"{V1}/job/memory.usage_in_bytes": "900000000\n",
                f"{V1}/job/memory.stat": "inactive_file 1\ntotal_inactive_file 100000000\n",
                f"{V1}/memory.limit_in_bytes": "9223372036854771712\n",
                f"{V1}/memory.usage_in_bytes": "5\n",
                f"{V1}/memory.stat": "total_inactive_file 0\n",
            },
            1200,
        ),
    ],
    ids=["machine", "root", "version 2", "container", "version 1"],
)
def test_what_is_available_is_the_least_that_anything_allows(
    files: dict[str, str], available: float, tmp_path: Path
) -> None:
    assert available_memory_mb(write(tmp_path, MEMINFO | files)) == pytest.approx(available)


def test_here_something_is_available(tmp_path: Path) -> None:
    assert 100 < available_memory_mb() <= psutil.virtual_memory().total / 1e6
    assert str(available_memory_mb(tmp_path)) == "nan"  # where nothing tells


@pytest.mark.parametrize(
    ("needs", "available", "batch"),
    [
        ([SMALL], 100, 8),
        ([SMALL], 22, 4),  # of 11 GiB, 2 + 3 x 3
        ([SMALL, LARGE], 22, 3),  # the one that takes more decides
        ([LARGE], 9, 1),
        ([MemoryNeed("a", 6 * GIB, GIB, GIB)], 11, 1),  # as much as that is taken once, while it is loaded
        ([MemoryNeed("a", 6 * GIB, GIB, GIB)], 13, 6),
    ],
)
def test_the_largest_batch_takes_half_of_what_is_available(
    needs: list[MemoryNeed], available: float, batch: int
) -> None:
    chosen, reason = fit_batch(needs, available * GIB, None)
    assert chosen == batch
    assert f"and {available:.1f} GiB are available" in reason
    assert (f"up to {batch} clips at a time" in reason and "at most half" in reason) == (batch > 1)
    assert ("one clip at a time" in reason and "close other programs" in reason) == (batch == 1)


def test_a_batch_that_is_asked_for_fits_or_is_refused_with_the_numbers() -> None:
    assert fit_batch([SMALL, LARGE], 11.5 * GIB, 3) == (
        3,
        "up to 3 clips at a time: onnx-fp32 takes about 11.0 GiB for that, and 11.5 GiB are available",
    )
    with pytest.raises(UserError) as refused:
        fit_batch([SMALL, LARGE], 11.8 * GIB, 8)
    assert str(refused.value) == (
        "--max-batch 8: needs about 26.0 GiB with onnx-fp32, 11.8 GiB are available; up to 3 fit"
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A graph that makes 38.5 MB of each clip."""
    return read_bundle(make_bundle(tmp_path / "bundle", "rgb", spec=PUBLISHED))


def test_what_a_clip_takes_is_measured(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = list[MemoryNeed]()

    def keep(needs: list[MemoryNeed], available_mb: float, asked: int | None) -> tuple[int, str]:
        measured.extend(needs)
        return fit_batch(needs, available_mb, asked)

    monkeypatch.setattr(max_batch, "fit_batch", keep)
    monkeypatch.setattr(max_batch, "available_memory_mb", lambda: 1500.0)
    batch, reason = choose_max_batch(bundle, None)
    (need,) = measured
    assert need.artifact == "onnxruntime-fp32" and need.one_mb > 38.5 + 9.6
    assert 38.5 + 9.6 < need.further_mb < 150
    assert 2 <= batch <= 8 and f"up to {batch} clips at a time: onnxruntime-fp32 takes about " in reason
    monkeypatch.setattr(max_batch, "available_memory_mb", lambda: 1.0)
    assert choose_max_batch(bundle, None)[1].startswith("one clip at a time: onnxruntime-fp32 takes about ")
    assert measured[-1].further_mb == measured[-1].one_mb  # two were not tried
    with pytest.raises(UserError, match=r"--max-batch 4: needs about 0\.\d GiB with onnxruntime-fp32, 0\.0 GiB"):
        choose_max_batch(bundle, 4)
    monkeypatch.setattr(max_batch, "available_memory_mb", lambda: float("nan"))
    assert choose_max_batch(bundle, None)[0] == 8 and choose_max_batch(bundle, 3)[0] == 3


def test_a_trial_that_is_killed_is_told_with_the_remedy(bundle: Bundle) -> None:
    with contenders(bundle, ["onnxruntime-fp32"]) as (contender,):
        (child,) = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
        assert Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "1000"  # before anything else is killed
        child.kill()
        child.wait()
        with pytest.raises(UserError, match=r"that ran onnxruntime-fp32 has died.*ask for fewer clips at a time"):
            contender.run(2)
