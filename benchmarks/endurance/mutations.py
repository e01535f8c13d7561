"""Tens of thousands of damaged uploads: what the service answers, and whether it is as it was before.

Run: `python -m benchmarks.endurance.mutations [--uploads 20000] [--seed 0]`. Every container, damaged as
`benchmarks/support/mutations.py` does it, through a few connections to a service of a tiny model. It fails on an answer
of 5xx (503, 504 and 507 say that there is too little of something, and are counted), on a refusal that is no
problem+json, on no answer within the limit, on a traceback in the log, on a service that died, and on files that were
left behind. What went wrong, and what a decoder did not survive, is saved as the bytes of the request: `nc HOST PORT <
FILE` sends it again.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.support.faults import tell_faults
from benchmarks.support.mutations import mutated
from benchmarks.support.process import usage
from benchmarks.support.samples import Files, samples
from benchmarks.support.server import RunningServer, running_server
from benchmarks.support.tiny_bundle import RAW, make_bundle
from benchmarks.support.wire import Request, fault_of, valid_request

DEADLINE_S = 30
NUM_CONNECTIONS = 4
_SLACK_S = 10  # between the service's deadline and the moment from which an answer counts as missing


@dataclass
class Findings:
    """What came back; `folder` gets what must be looked at."""

    folder: Path
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    def note(self, number: int, request: Request, answer: str, fault: str | None) -> None:
        """Count an answer, and keep the request where it is a fault or cost a decoder."""
        self.answers[answer] += 1
        if fault is not None:
            self.faults.append(f"upload {number} ({request.mutation}): {fault}")
        if fault is not None or "decoder_crashed" in answer:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{number}.http").write_bytes(request.wire())


async def send_all(url: str, valid: dict[str, Files], options: argparse.Namespace) -> Findings:
    """Send all uploads, each made from the seed and its number alone."""
    findings = Findings(options.save)
    numbers = iter(track(range(options.uploads), "uploads", console=Console(stderr=True)))
    async with httpx.AsyncClient(base_url=url, timeout=DEADLINE_S + _SLACK_S) as client:
        await asyncio.gather(*(_send(client, numbers, valid, options.seed, findings) for _ in range(NUM_CONNECTIONS)))
    return findings


async def _send(
    client: httpx.AsyncClient, numbers: Iterator[int], valid: dict[str, Files], seed: int, findings: Findings
) -> None:
    for number in numbers:
        request = mutated(Random(f"{seed} {number}"), valid)
        start = time.perf_counter()
        try:
            response = await client.post(request.path, content=request.body, headers=request.headers)
            answer = "200" if response.is_success else f"{response.status_code} {_word(response)}"
            fault = fault_of(response)
        except httpx.TransportError as error:
            answer = fault = f"no answer ({type(error).__name__})"
        findings.slowest_s = max(findings.slowest_s, time.perf_counter() - start)
        findings.note(number, request, answer, fault)


def _word(response: httpx.Response) -> str:
    is_problem = response.headers.get("content-type") == "application/problem+json"
    return str(response.json()["error"]) if is_problem else "without a problem"


def check_all_well(server: RunningServer, valid: dict[str, Files]) -> list[str]:
    """Return what is wrong with a service that has been through all this."""
    if server.process.poll() is not None:
        return [f"the service ended with exit code {server.process.returncode}"]
    faults = []
    if b"Traceback" in server.log.read_bytes():
        faults.append("something ended in Python, and no library crashed: service.log has the traceback")
    for kind, files in valid.items():
        request = valid_request(files)
        response = httpx.post(server.url + request.path, content=request.body, headers=request.headers, timeout=60)
        if response.status_code != 200:
            faults.append(f"a valid clip ({kind}) is answered with {response.text}")
    return faults


def report(console: Console, findings: Findings, seconds: float) -> None:
    table = Table("answer", "uploads")
    for answer, number in sorted(findings.answers.items()):
        table.add_row(answer, f"{number:,}")
    console.print(table)
    total = findings.answers.total()
    console.print(f"{total:,} uploads in {seconds:.0f} s, {total / seconds:.0f} a second")
    console.print(f"the slowest answer took {findings.slowest_s:.2f} s; the deadline is {DEADLINE_S} s")


def attack(options: argparse.Namespace, folder: Path, console: Console) -> list[str]:
    """Return what went wrong."""
    uploads = folder / "uploads"
    uploads.mkdir()
    valid = samples(folder)
    os.environ["TMPDIR"] = str(uploads)  # the service inherits it
    with running_server(
        make_bundle(folder / "bundle", preparation=RAW), max_upload_mb=8, deadline_s=DEADLINE_S
    ) as server:
        faults = check_all_well(server, valid)
        left = set(uploads.iterdir())  # libraries leave something there when they are loaded
        console.print(f"before: {usage(server.process.pid)}")
        start = time.perf_counter()
        findings = asyncio.run(send_all(server.url, valid, options))
        report(console, findings, time.perf_counter() - start)
        faults += findings.faults + check_all_well(server, valid)
        console.print(f"after: {usage(server.process.pid)}")
        faults += [f"{path.name} was left in the temporary folder" for path in set(uploads.iterdir()) - left]
        if findings.folder.exists():
            (findings.folder / "service.log").write_bytes(server.log.read_bytes())
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, default=Path("mutations"), help="the folder for what went wrong")
    options = parser.parse_args()
    console = Console(highlight=False, width=80)
    with tempfile.TemporaryDirectory() as folder:
        faults = attack(options, Path(folder), console)
    return tell_faults(console, faults, "nothing went wrong")


if __name__ == "__main__":
    sys.exit(main())
