"""A connection to a Ray cluster that was started before; needs the extra `ray`."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from rgbd.errors import UserError

_CONNECT_TIMEOUT_S = 10


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected within the block, to the cluster at `address`, or to the one that this machine is part of.

    Raises `UserError` where there is none.
    """
    where = f"at {address}" if address else "on this machine"
    try:
        if address:
            _knock(address)
        ray.init(address or "auto", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no Ray cluster {where} ({error}); start one: ray start --head --disable-usage-stats"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise `OSError` or `ValueError` where nobody listens; Ray itself would try for minutes, then end the process."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S).close()
