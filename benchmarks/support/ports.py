"""Ports for servers that must be told one."""

import socket


def free_port() -> int:
    """Return a port of this machine that nobody listens on; somebody else may take it before it is used."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port: int = free.getsockname()[1]
    return port
