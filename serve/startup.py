"""What is tried before the service listens, so that the first request does not find missing what all of them need."""

import logging
import os
import shutil
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from fastapi import FastAPI

from rgbd.errors import UserError, reason_of
from rgbd.scratch import remove_abandoned
from serve.app import create_app
from serve.inference.loading import load_models
from serve.inference.served_model import ServedModel
from serve.observability.logs import set_up_logging
from serve.service import Service
from serve.settings import Settings

_log = logging.getLogger("serve")

_UPLOAD_COPIES = 2  # the form as it arrives, and its files where decoder processes read them


def ready_app(settings: Settings) -> FastAPI:
    """Return the application when all has been tried that requests need; raises `UserError` where it is missing."""
    set_up_logging(settings.log_format)
    _log.info("settings: %s", settings.described())
    _prepare_temp_folder(settings.max_upload_mb, settings.kept_mb)
    models = load_models(settings)
    app = create_app(models, settings)
    service: Service = app.state.service
    service.try_decoder()
    for model in models.ready:
        _log.info("serving %s", _described(model))
    return app


def exported_traces(endpoint: str | None) -> AbstractContextManager[None]:
    """Send what is traced in the block to a collector, where there is one; raises `UserError` without the extra."""
    if endpoint is None:
        return nullcontext()
    try:
        from serve.observability import otlp  # noqa: PLC0415  needs an extra
    except ImportError as error:
        raise UserError("otlp_endpoint needs OpenTelemetry's exporter; install the 'otel' extra") from error
    return otlp.exported_traces(endpoint)


def address_of(host: str, port: int) -> str:
    """Return the address of the service's page."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _described(model: ServedModel) -> str:
    facts, num_classes = model.reply, len(model.bundle.manifest.labels)
    return (
        f"{facts.name} {facts.version} ({facts.modality}, {num_classes} classes) with {facts.runtime} in "
        f"{facts.precision} on {facts.device}"
    )


def _prepare_temp_folder(max_upload_mb: int, kept_mb: int) -> None:
    """Remove what killed processes left in the temp folder; raise `UserError` where no upload could be put there."""
    folder = _temp_folder()
    if num_removed := remove_abandoned(folder):
        _log.info("removed from %s what killed processes had left there: folders=%d", folder, num_removed)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"an upload")
            file.flush()
        free_mb = shutil.disk_usage(folder).free >> 20
    except OSError as error:
        raise UserError(
            f"{folder}: uploads go there, and cannot be written ({reason_of(error)}); set TMPDIR to another folder"
        ) from error
    needed_mb = _UPLOAD_COPIES * max_upload_mb + kept_mb
    if free_mb < needed_mb:
        raise UserError(
            f"{folder}: uploads go there, and one beside those that are kept may need {needed_mb} MiB, but only "
            f"{free_mb} are free; make room, set TMPDIR to another folder, or lower --max-upload-mb, which is "
            f"{max_upload_mb}, or --max-kept-mb, which is {kept_mb}"
        )


def _temp_folder() -> Path:
    """Return where uploads go; raises `UserError` where there is no such place."""
    try:
        # Python passes over what it cannot write to, and takes another folder; what was asked for is used, or an error.
        folder = Path(os.environ.get("TMPDIR") or tempfile.gettempdir()).absolute()
    except FileNotFoundError as error:
        raise UserError(
            f"there is no folder that uploads could be written to ({reason_of(error)}); set TMPDIR to one"
        ) from error
    tempfile.tempdir = str(folder)
    return folder
