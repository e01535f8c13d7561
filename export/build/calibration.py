"""What int8 is made with: clips to calibrate on, and the packages that quantize."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rgbd.errors import UserError

_PACKAGES = ("nncf", "onnxruntime", "openvino")  # NNCF counts accuracy in the one, and reads graphs with the other


@dataclass(frozen=True)
class Calibration:
    """Training clips of a processed data set, and how much top-1 may be lost, in [0, 1]."""

    data: Path
    num_clips: int
    max_drop: float


def check_calibration(calibration: Calibration | None) -> None:
    """Raise `UserError` where int8 cannot be made: there are no clips for it, or packages are missing."""
    if calibration is None:
        raise UserError("int8 needs clips to calibrate on; give a processed data set as --calibration")
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(
            f"int8 needs {', '.join(missing)}; pip install 'rgbd-motion[int8,cpu]', or leave it out of --precision"
        )
