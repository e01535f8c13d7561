"""How a processed data set was made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from rgbd.clip.preparation import Preparation
from rgbd.dataset.store import Format
from rgbd.errors import DatasetError, reason_of
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode
from rgbd.types import Stream, in_order

RUN_FILE = "preprocess.json"


class EarlierSettings(BaseModel):
    """What versions before `Preparation` kept of it; they kept nothing of data sets that they left whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    masks: MaskMode = "none"
    roi: RoiMode = "whole"


class RunInfo(BaseModel):
    """`preprocess.json`: how a processed data set was made.

    streams: those that all samples have, in a data set of tar files. preparation: what was done to the recordings; None
    where an earlier version, which has left `settings`, or another program has made the data set.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    raw: str
    format: Format
    streams: tuple[Stream, ...] | None = None
    preparation: Preparation | None = None
    settings: EarlierSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _lift_streams(cls, content: Any) -> Any:
        """Take the streams from where earlier versions kept them, among the settings."""
        if (
            isinstance(content, dict)
            and isinstance(settings := content.get("settings"), dict)
            and "streams" in settings
        ):
            rest = {name: value for name, value in settings.items() if name != "streams"}
            return content | {"settings": rest, "streams": str(settings["streams"]).split()}
        return content

    @field_validator("streams")
    @classmethod
    def _in_order(cls, streams: tuple[Stream, ...] | None) -> tuple[Stream, ...] | None:
        return None if streams is None else in_order(streams)  # earlier versions kept the order of the first rows

    @property
    def prepared_as(self) -> dict[str, str]:
        """What is known of the preparation, in words."""
        made = self.preparation or self.settings
        return {} if made is None else {"masks": made.masks, "roi": made.roi}

    def changed(self, other: "RunInfo", *names: str) -> dict[str, tuple[Any, Any]]:
        """Return {which of these fields are not so in another run's: (how it is here, how it is there)}."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        return {name: (here, there) for name, (here, there) in pairs.items() if here != there}

    def differences(self, other: "RunInfo") -> dict[str, tuple[str, str]]:
        """Return {what of the preparation is not so in another run's: (how it is here, how it is there)}."""
        if self.preparation is not None and other.preparation is not None:
            return self.preparation.differences(other.preparation)
        if self.settings is None or other.preparation is None:
            return {}
        theirs = other.preparation.model_dump()
        return {
            name: (value, theirs[name]) for name, value in self.settings.model_dump().items() if value != theirs[name]
        }


def made_otherwise(root: Path, different: Mapping[str, tuple[Any, Any]], remedy: str) -> DatasetError:
    """Return the error for a data set in `root` that was made in another way: {name: (what it was, what it is now)}."""
    was, now = ({name: values[index] for name, values in different.items()} for index in (0, 1))
    return DatasetError(f"{root}: was made with {was}, not with {now}; {remedy}")


def read_run_info(root: Path) -> RunInfo:
    """Return what `preprocess.json` says of a processed data set; raises `DatasetError` where it cannot be read."""
    path = root / RUN_FILE
    try:
        return RunInfo.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({reason_of(error)}); is this a processed data set?") from error
    except ValidationError as error:
        raise DatasetError(f"{path}: is not what preprocessing writes; copy it again, or name another --out") from error
