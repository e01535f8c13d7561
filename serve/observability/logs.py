"""What the service writes to its log: lines for people at a terminal, or JSON for programs that collect it."""

import logging
import threading
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

from serve.observability.failures import log_failed_thread

LogFormat = Literal["text", "json"]


def set_up_logging(log_format: LogFormat) -> None:
    """Write what the service and its server have to say to standard error; of libraries, warnings only."""
    handler = logging.StreamHandler()
    if log_format == "json":
        renamed = {"levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter("{levelname}{name}{message}", style="{", timestamp=True, rename_fields=renamed)
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("serve").setLevel(logging.INFO)
    threading.excepthook = log_failed_thread
