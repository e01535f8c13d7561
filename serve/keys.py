"""API keys: `python -m serve.keys NAME --file keys.json` makes one; the file holds their hashes, never the keys."""

import argparse
import hmac
import logging
import os
import secrets
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rgbd.errors import ConfigError
from rgbd.files import atomic_file
from rgbd.terminal import program, run_command, say

_log = logging.getLogger("serve")

_PREFIX = "rgbdm_"  # by which a key is known where it was left by mistake
_BYTES = 32  # drawn at random, so that one round of SHA-256 is hash enough


class ApiKey(BaseModel):
    """What is known of one key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="whose it is; logs carry it")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    per_minute: int | None = Field(None, ge=1, description="requests; None: no limit")
    admin: bool = Field(False, description="may load and unload models and see /admin")


class _KeyFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[ApiKey, ...]


class KeyRing:
    """The keys of a file, which is read again when it has changed."""

    def __init__(self, path: Path) -> None:
        """Read the file; raises `ConfigError`, naming what is wrong with it."""
        self._path = path
        self._version: tuple[int, ...] | None = _version_of(path)  # before its content: what changes between is noticed
        self._keys = read_keys(path)
        self._failure: str | None = None
        if not self._keys:
            raise ConfigError(f"{path}: has no key, so that nobody could be let in; make one with python -m serve.keys")

    def find(self, token: str) -> ApiKey | None:
        """Return the key that a client sent, as the file is now; how long it takes tells nothing about the others.

        Where the file cannot be read any more, the keys that it had last are valid.
        """
        self._read_again()
        given = sha256(token.encode()).hexdigest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, given):
                found = key
        return found

    def _read_again(self) -> None:
        version = _version_of(self._path)
        if version is not None and version == self._version:
            return
        try:
            self._keys = read_keys(self._path)
        except ConfigError as error:
            if str(error) != self._failure:
                _log.error("%s; until then the keys are valid that it had last", error)
            self._version, self._failure = None, str(error)
            return
        self._version, self._failure = version, None
        _log.info("%s: has changed, and was read again: keys=%d", self._path, len(self._keys))


def _version_of(path: Path) -> tuple[int, ...] | None:
    """Return what changes with a file's content, or None where it cannot be looked at."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Return the keys of a file; raises `ConfigError`, naming what is wrong with it."""
    try:
        keys = _KeyFile.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError as error:
        remedy = f"make it with python -m serve.keys NAME --file {path}"
        raise ConfigError(f"{path}: there is no such file; {remedy}") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path}: is a folder; name the file of keys that lies in it") from error
    except OSError as error:
        remedy = "let the user read it whom the service runs as"
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        remedy = "correct it, or make another file with python -m serve.keys"
        raise ConfigError(f"{path}: {where + ': ' if where else ''}{first['msg']}; {remedy}") from error
    names = [key.name for key in keys]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: two keys are called {name!r}; their limits and logs could not be told apart")
    return keys


def add_key(path: Path, name: str, per_minute: int | None, *, admin: bool) -> str:
    """Add a new key to a file, which only its owner may read, and return the key: nobody can later."""
    keys = read_keys(path) if os.path.exists(path) else ()  # noqa: PTH110  Path's raises where it may not look
    if name in [key.name for key in keys]:
        raise ConfigError(f"{path}: has a key {name!r} already; choose another name, or delete its entry first")
    token = _PREFIX + secrets.token_urlsafe(_BYTES)
    key = ApiKey(name=name, sha256=sha256(token.encode()).hexdigest(), per_minute=per_minute, admin=admin)
    try:
        with atomic_file(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(_KeyFile(keys=(*keys, key)).model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name another --file") from error
    return token


def main(arguments: list[str] | None = None) -> int:
    """Make a key; returns the exit code."""
    parser = argparse.ArgumentParser(prog=program("serve.keys"), description="Make an API key of the service.")
    parser.add_argument("name", help="whose key it is; the service's log carries it")
    parser.add_argument("--file", type=Path, default=Path("keys.json"), help="where its hash goes (keys.json)")
    parser.add_argument("--per-minute", type=int, metavar="N", help="requests in a minute (default: no limit)")
    parser.add_argument("--admin", action="store_true", help="it may also load and unload models, and see /admin")
    options = parser.parse_args(arguments)
    if options.per_minute is not None and options.per_minute < 1:
        parser.error("--per-minute must be 1 or more")
    token = add_key(options.file, options.name, options.per_minute, admin=options.admin)
    print(token)
    say(f"{options.file} knows it by its hash alone, so keep it; programs send it as: Authorization: Bearer KEY")
    return 0


if __name__ == "__main__":
    run_command(main)
