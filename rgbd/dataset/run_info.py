"""How a processed data set was made."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rgbd.dataset.store import Format
from rgbd.errors import DatasetError, reason_of

RUN_FILE = "preprocess.json"


class RunInfo(BaseModel):
    """`preprocess.json`: how a processed data set was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    raw: str
    format: Format
    settings: dict[str, str]


def read_run_info(root: Path) -> RunInfo:
    """Return what `preprocess.json` says of a processed data set; raises `DatasetError` where it cannot be read."""
    path = root / RUN_FILE
    try:
        return RunInfo.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({reason_of(error)}); is this a processed data set?") from error
    except ValidationError as error:
        raise DatasetError(f"{path}: is not what preprocessing writes; copy it again, or name another --out") from error
