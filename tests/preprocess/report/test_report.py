"""The report: what looks wrong comes first and says why, counts are right, nothing in it is foreign or hostile."""

import re
from pathlib import Path

import pytest

from preprocess.report.__main__ import main, make_page
from preprocess.report.quality_checks import find_suspicious
from rgbd.dataset.ntu_classes import NTU_CLASSES
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, read_records
from rgbd.dataset.run_info import RUN_FILE, RunInfo
from rgbd.errors import DatasetError, UserError
from tests.support.ntu_recordings import CLIP, OTHER_CLIP, make_recording
from tests.support.ntu_runs import run


def page_of(data: Path, **options: object) -> str:
    return make_page(data, **({"num_clips": 4, "seed": 0, "raw": None} | options))  # type: ignore[arg-type]


def write_records(data: Path, *records: ClipRecord) -> None:
    data.mkdir(exist_ok=True)
    (data / RECORDS_FILE).write_text("".join(record.model_dump_json(exclude_none=True) + "\n" for record in records))
    info = RunInfo(dataset="ntu", raw=str(data), format="folders", settings={"roi": "clip"})
    (data / RUN_FILE).write_text(info.model_dump_json())


def record(clip: str, **values: object) -> ClipRecord:
    usual = {"status": "done", "label": 0, "streams": (), "num_frames": 60, "mask_coverage": 0.05, "empty_masks": 0}
    return ClipRecord.model_validate({"clip": clip, **usual, **values})


def test_the_page_shows_a_data_set_and_its_failures_first(tmp_path: Path) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    make_recording(raw, rgb_frames=20, depth_frames=20)
    make_recording(raw, OTHER_CLIP, rgb_frames=20, depth_frames=17)
    make_recording(raw, "S001C002P001R001A007")
    (raw / "nturgb+d_rgb" / "S001C002P001R001A007_rgb.avi").write_bytes(b"RIFF")
    assert run(raw, data) == 1
    assert main([str(data)]) == 0
    page = (data / "report.html").read_text()
    headings = re.findall(r"<h2[^>]*>([^<]+)", page)
    assert headings == ["What looks wrong", "How many", "How long, how much of a person", "Clips drawn at random"]
    wrong = page[page.index("What looks wrong") : page.index("How many")]
    assert "S001C002P001R001A007" in wrong and "cannot be opened" in wrong
    assert OTHER_CLIP in wrong and "20 colour frames, 17 of depth" in wrong and f"<b>{CLIP}</b>" not in wrong
    assert page.count("data:image/jpeg;base64,") == 3  # one looks wrong, two are drawn
    assert re.search(r"S001C002</th><td>0\.0 px", page)
    assert NTU_CLASSES[1] in page[page.index("Clips drawn") :]


def test_the_page_needs_no_other_file_and_keeps_hostile_names_harmless(tmp_path: Path) -> None:
    hostile = '<script>alert("x")</script>'
    write_records(tmp_path / "data", record(hostile, warnings=(hostile,)), record("b", status="failed", reason=hostile))
    page = page_of(tmp_path / "data")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "url(" not in page and "http" not in page


def test_reasons_to_look_at_a_clip() -> None:
    usual = [record(f"usual{number}", mask_coverage=0.05 + 0.001 * number) for number in range(20)]
    frame = {"roi": "clip", "color_size": (1920, 1080), "depth_size": (512, 424)}
    odd = {
        "empty": (record("empty", empty_masks=60, mask_coverage=0.0), "60 of 60 depth frames show no body"),
        "little": (record("little", mask_coverage=0.001), "unusually little"),
        "much": (record("much", mask_coverage=0.4), "unusually much"),
        "mismatch": (record("mismatch", rgb_frames_in=60, depth_frames_in=90), "60 colour frames, 90 of depth"),
        "border": (record("border", box_color_px=(0, 100, 800, 700), **frame), "touches the left edge"),
        "outside": (record("outside", box_depth_px=(-100, 10, 300, 310), **frame), "outside the depth frame"),
        "stretched": (record("stretched", registration="stretch", **frame), "stretched"),
        "short": (record("short", num_frames=12), "only 12 frames"),
    }
    found = {suspicion.record.clip: suspicion for suspicion in find_suspicious([*usual, *(r for r, _ in odd.values())])}
    assert found.keys() == odd.keys()
    for clip, (_, reason) in odd.items():
        assert any(reason in words for words in found[clip].reasons)
    assert next(iter(found)) == "empty"  # the worst


def test_counts_of_classes_halves_and_cameras(tmp_path: Path) -> None:
    splits = {"CS": "train", "CV": "valid"}
    records = [record(f"c{n}", label=n % 2, splits=splits, camera=f"S00{n % 3}C001") for n in range(9)]
    write_records(tmp_path / "data", *records)
    page = page_of(tmp_path / "data")
    rows = dict(re.findall(r'<th scope="row"[^>]*>([^<]+)</th><td class="track">.*?<td class="count">([\d,]+)', page))
    assert (rows["drink water"], rows["eat meal/snack"], rows["brushing teeth"]) == ("5", "4", "0")
    assert (rows["train"], rows["valid"], rows["S000C001"]) == ("9", "9", "3")
    assert 'class="bad">brushing teeth' in page  # a class without a clip stands out


def test_clips_whose_frames_are_gone_are_said_to_be(tmp_path: Path) -> None:
    write_records(tmp_path / "data", record("gone", streams=("rgb",)))
    assert "cannot be read" in page_of(tmp_path / "data")


def test_depth_alone_and_shards_can_be_looked_at(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_recording(raw)
    for name, options in (("depth", ("--streams", "depth")), ("shards", ("--format", "shards"))):
        assert run(raw, tmp_path / name, *options) == 0
        assert "data:image/jpeg;base64," in page_of(tmp_path / name)


def test_all_of_ntu_120_stays_a_page(tmp_path: Path) -> None:
    records = [
        record(
            f"S{n % 32 + 1:03d}C{n % 3 + 1:03d}P001R001A{n % 120 + 1:03d}x{n}", label=n % 120, camera=f"S{n % 32:03d}"
        )
        for n in range(20_000)
    ]
    write_records(tmp_path / "data", *records)
    assert len(page_of(tmp_path / "data", num_clips=1)) < 500_000
    assert len(read_records(tmp_path / "data" / RECORDS_FILE)) == 20_000


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no records\.jsonl"):
        main([str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "class_names.txt").write_text("mine")
    with pytest.raises(UserError, match=r"class_names.txt: is there already, and by its name no .html file"):
        main([str(tmp_path), "--out", str(tmp_path / "class_names.txt")])
    assert (tmp_path / "class_names.txt").read_text() == "mine"
