"""Whom a command turns to: the names that its processes look up, and the addresses that they connect to."""

import os
import re
import shutil
import socket
import subprocess
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil
import pytest

ROOT = Path(__file__).parents[2]

_TRACED = ("--seccomp-bpf", "-f", "-qq", "-x", "-s", "512", "-e", "trace=connect,sendto,sendmsg,sendmmsg")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})+)"')  # as -x shows what is no plain text
_ADDRESS = re.compile(r'htons\((\d+)\).*?inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"')
_DNS_PORT = 53


def contacts(home: Path, *command: object) -> set[str]:
    """Run a command to its end; return the names that it looks up and the "address:port" that it connects to.

    Left out is what belongs to this machine: its name, localhost, its own addresses. `home` is the command's home
    folder. It gets no other variable than PATH, neither those of the tests nor one that says CI: most libraries report
    nothing there. Skips the test where processes cannot be traced.
    """
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "-e", "trace=none", "true"], check=False).returncode:
        pytest.skip("whom our programs turn to is not tested: no strace here, or it may not trace")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)}
    with NamedTemporaryFile("r", suffix=".strace") as trace:
        words = [strace, *_TRACED, "-o", trace.name, *map(str, command)]
        result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, env=environment)
        assert result.returncode == 0, result.stdout + result.stderr
        return {contact for line in trace for contact in (*_names(line), *_addresses(line))}


def _names(call: str) -> set[str]:
    names = {_question(bytes.fromhex(match[1].replace(r"\x", ""))) for match in _BYTES.finditer(call)}
    return names - {None, *_own_names()}


def _question(message: bytes) -> str | None:
    """Return the name that a DNS query asks for; None if it is none: one question, no answers, class IN."""
    labels, rest = [], message[12:]
    while rest and rest[0]:
        labels.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    is_query = message[4:10] == b"\0\1\0\0\0\0" and rest[3:5] == b"\0\1"
    return b".".join(labels).decode("ascii", "replace") if is_query and labels else None


def _addresses(call: str) -> set[str]:
    """Return where a call leads; a name server is left out, for it is told by the question."""
    found = {(address.removeprefix("::ffff:"), int(port)) for port, address in _ADDRESS.findall(call)}
    return {
        f"{address}:{port}"
        for address, port in found
        if port != _DNS_PORT and not ip_address(address).is_loopback and address not in _own_addresses()
    }


def _own_addresses() -> set[str]:
    return {address.address.partition("%")[0] for card in psutil.net_if_addrs().values() for address in card}


def _own_names() -> set[str]:
    # PyTorch asks for the name of the address that its processes meet at.
    return {"localhost", socket.gethostname(), ip_address("127.0.0.1").reverse_pointer}
