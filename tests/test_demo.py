"""The demonstration removes what it has made, and nothing else."""

from pathlib import Path

import pytest

from demo import Demo
from rgbd.errors import UserError


@pytest.mark.parametrize("name", ["raw", "data", "runs", "bundle"])
def test_somebody_s_own_folders_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "recording.mp4").touch()
    with pytest.raises(UserError, match=f"{name}: is no earlier demonstration's; .*--folder"):
        Demo(tmp_path, 1, 0.05).run()
    assert (tmp_path / name / "recording.mp4").exists()
