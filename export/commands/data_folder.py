"""The data set that an option names."""

from pathlib import Path

from rgbd.errors import UserError, reason_of


def check_data_folder(option: str, data: Path | None) -> None:
    """Raise `UserError`, naming the option, where the folder that it was given is not there."""
    if data is None:
        return
    try:
        if data.is_dir():
            return
        reason = "is no folder" if data.exists() else "is not there"
    except OSError as error:  # such as of a folder that may not be read, or of too long a name
        reason = f"cannot be read ({reason_of(error)})"
    raise UserError(f"{option} {data}: {reason}; give the folder of a processed data set")
