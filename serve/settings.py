"""The service's settings: flags, then environment variables RGBD_MOTION_*, then a TOML file, then these defaults."""

import argparse
import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from export.runtimes.devices import split_devices
from export.runtimes.registry import devices
from rgbd.errors import ConfigError, UserError
from rgbd.nearest_name import nearest_name
from serve.observability.logs import LogFormat

_PREFIX = "RGBD_MOTION_"
_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_PASSWORD = re.compile(r"//[^/@]+@")
_UPLOADS_KEPT = 3  # of the largest that may come; most are far smaller


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _check_devices(text: str) -> str:
    try:
        return ",".join(split_devices(text, devices()))
    except UserError as error:
        raise ValueError(str(error)) from error


def _host_name(name: str) -> str:
    if not _HOST_NAME.fullmatch(name):
        raise ValueError(f"{name!r}: give names alone, without http:// and port, such as lab.example.org")
    return name.lower()


HostName = Annotated[str, AfterValidator(_host_name)]


class Settings(BaseSettings):
    """What one service process does, and what it allows; an upload is untrusted until it has passed the limits."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    config: Path | None = Field(None, description="a TOML file with any of these settings")
    bundle: Path | None = Field(None, description="the model: what `python -m export` wrote, or that as a .zip")
    models: Path | None = Field(None, description="several models: a folder of bundles, <name>/<version>/")
    artifact: str | None = Field(None, description="such as openvino-fp32; without: the fastest that runs here")
    require_signature: Path | None = Field(None, description="a public key; bundles not signed with it are refused")
    device: Annotated[str, AfterValidator(_check_devices)] = Field(
        "cpu", description=f"where to compute: {', '.join(devices())}, or several of a kind: cuda:0,cuda:1"
    )
    max_model_memory_mb: int | None = Field(None, ge=1, description="MiB beyond which no further model is loaded")
    host: str = Field("127.0.0.1", description="the address to listen on; 127.0.0.1 is this machine alone")
    port: int = Field(8000, ge=0, le=65535, description="the port to listen on; 0 takes a free one")

    api_keys: Path | None = Field(None, description="a file of keys that python -m serve.keys made; without: no keys")
    allow_anonymous: bool = Field(False, description="listen beyond this machine without keys: behind a proxy only")
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="web origins whose pages may use the service, separated by commas"
    )
    allowed_hosts: Annotated[tuple[HostName, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="names, separated by commas, under which the service may be asked without keys"
    )

    max_upload_mb: int = Field(200, ge=1, description="MiB of one request")
    max_frames: int = Field(3000, ge=1, description="frames of one stream: 100 s at 30 frames/s")
    max_pixels: int = Field(3840 * 2160, ge=1, description="pixels of one frame")
    max_duration_s: float = Field(600.0, gt=0, description="seconds of one stream")
    max_requests: int = Field(16, ge=1, description="requests at work or waiting; more are told to come back")
    max_batch: int = Field(4, ge=1, description="clips in one run of the network")
    max_delay_ms: float = Field(0.0, ge=0, description="that a clip waits for others to compute with; useful on GPUs")
    max_uploads: int = Field(64, ge=1, description="requests whose body arrives at the same time")
    upload_s: float = Field(120.0, gt=0, description="seconds that a request may take to arrive")
    max_kept_mb: int | None = Field(
        None, ge=1, description="MiB of recordings that are kept for further requests (default: 3 times max_upload_mb)"
    )
    kept_s: float = Field(600.0, gt=0, description="seconds that such a recording is kept from its last use")
    deadline_s: float = Field(60.0, gt=0, description="seconds for one request, from its last byte to its answer")
    drain_s: float = Field(30.0, gt=0, description="seconds for the requests at work when told to stop")
    max_live: int = Field(8, ge=0, description="live streams and time lines at a time, each with a process; 0: none")
    live_idle_s: float = Field(30.0, gt=0, description="seconds without a frame after which a live stream is closed")
    log_format: LogFormat = Field("text", description="text: lines for people; json: for programs")
    otlp_endpoint: str | None = Field(None, description="an OpenTelemetry collector, such as http://127.0.0.1:4318")
    num_decoders: int = Field(2, ge=1, description="processes that decode uploads")
    decoder_memory_mb: int = Field(4096, ge=512, description="MiB of one such process")
    decoder_cpu_s: int = Field(120, ge=1, description="seconds of computing for one upload in such a process")

    @property
    def is_private(self) -> bool:
        """Whether only programs of this machine may use the service."""
        return self.api_keys is None and not self.allow_anonymous

    @property
    def devices(self) -> tuple[str, ...]:
        """Where to compute, one by one."""
        return tuple(self.device.split(","))

    @property
    def kept_mb(self) -> int:
        """MiB of recordings that are kept for further requests."""
        return _UPLOADS_KEPT * self.max_upload_mb if self.max_kept_mb is None else self.max_kept_mb

    @model_validator(mode="after")
    def _any_upload_can_be_kept(self) -> Self:
        if self.kept_mb < self.max_upload_mb:
            raise ValueError(
                f"max_kept_mb {self.kept_mb}: one recording alone may have {self.max_upload_mb} MiB; give as many, or "
                "lower max_upload_mb"
            )
        return self

    @model_validator(mode="after")
    def _others_need_keys(self) -> Self:
        if self.is_private and not is_loopback(self.host):
            raise ValueError(
                f"everybody who reaches {self.host} could use the service; give keys (python -m serve.keys NAME, then "
                "--api-keys keys.json), or --allow-anonymous where something in front of it decides who may use it"
            )
        return self

    @model_validator(mode="after")
    def _one_source_of_models(self) -> Self:
        if (self.bundle is None) == (self.models is None):
            raise ValueError("give either a bundle or a folder of models: --bundle PATH or --models FOLDER")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  there is none
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the strongest first."""
        path = init_settings().get("config") or env_settings().get("config")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path)

    def described(self) -> str:
        """Return all settings as one line for people; none of them is a secret: keys lie in a file of their own."""
        return ", ".join(f"{name}={value}" for name, value in self.shown().items())

    def shown(self) -> dict[str, str]:
        """Return the settings that are set, by name, without what an address may hold of a password."""
        return {name: _PASSWORD.sub("//***@", str(value)) for name, value in self.model_dump(exclude_none=True).items()}


def is_address(host: str) -> bool:
    """Return whether a host is a number, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether an address or a name is this machine's alone."""
    if host == "localhost":
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def add_flags(parser: argparse.ArgumentParser) -> CliSettingsSource[argparse.ArgumentParser]:
    """Give the parser a flag for each setting; return what reads them from the arguments that it has parsed."""
    return CliSettingsSource(
        Settings,
        root_parser=parser,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        formatter_class=argparse.HelpFormatter,
    )


def read_settings(flags: dict[str, Any]) -> Settings:
    """Return the settings, the flags among them; raises `ConfigError`, naming the setting, for an unknown or wrong one.

    `flags` are the settings that the command line names, as text.
    """
    _check_environment()
    path = flags.get("config") or os.environ.get(f"{_PREFIX}CONFIG")
    if path and not Path(str(path)).is_file():
        raise ConfigError(f"{path}: there is no such file of settings; give a TOML file")
    try:
        return Settings(**flags)
    except ValidationError as error:
        reasons = "; ".join(_reason(str(e["loc"][0]) if e["loc"] else "", e["msg"]) for e in error.errors())
        raise ConfigError(f"settings: {reasons}") from error
    except OSError as error:
        remedy = "let the user read it whom the service runs as"
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is no TOML ({error})") from error


def _reason(name: str, message: str) -> str:
    if name and name not in Settings.model_fields:
        return f"{name}: there is no such setting{_nearest(name)}"
    return f"{name}: {message}" if name else message.removeprefix("Value error, ")


def _check_environment() -> None:
    known = {f"{_PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(_PREFIX) and name not in known:
            raise ConfigError(f"{name}: there is no such setting{_nearest(name.removeprefix(_PREFIX).lower())}")


def _nearest(name: str) -> str:
    near = nearest_name(name, Settings.model_fields)
    return f"; did you mean {near}?" if near else ""
