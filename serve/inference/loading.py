"""The models that the settings name, loaded."""

import logging
from threading import BoundedSemaphore

from export.bundle.archive import open_bundle
from export.bundle.folder import Bundle
from export.runtimes.live import LiveRuntime
from export.runtimes.loading import load_live, load_runtime
from rgbd.errors import UserError
from serve.inference.repository import Place, Repository, many_bundles, one_bundle
from serve.inference.served_model import ServedModel
from serve.settings import Settings

_log = logging.getLogger("serve")


def load_models(settings: Settings) -> Repository:
    """Return the models, all of them loaded; raises `UserError` when one cannot be."""

    def load(place: Place) -> ServedModel:
        with open_bundle(place.path, settings.require_signature) as bundle:
            max_batch = min(settings.max_batch, bundle.manifest.max_batch)
            _log.info("loading %s %s, and trying %d clips at a time", place.name, place.version, max_batch)
            runtime = load_runtime(bundle, settings.device, settings.artifact, max_batch)
            live = _live(bundle, settings, max_batch) if settings.max_live else None
        turns = BoundedSemaphore(len(settings.devices))
        model = ServedModel(bundle, runtime, place.name, place.version, live=live, turns=turns)
        if live is not None:
            _log.info("%s follows live streams: %.1f ms a sampled frame", place.name, 1000 * model.live_frame_s)
        return model

    if settings.models is not None:
        find = many_bundles(settings.models)
    else:
        assert settings.bundle is not None  # as the settings promise
        find = one_bundle(settings.bundle)
    repository = Repository(find, load, settings.max_model_memory_mb)
    repository.load_all()
    return repository


def _live(bundle: Bundle, settings: Settings, max_batch: int) -> LiveRuntime | None:
    """Return the bundle's graphs for streams; None where it has none, or none that runs here."""
    if bundle.manifest.live is None:
        return None
    names = [artifact.name for artifact in bundle.manifest.live.artifacts]
    try:
        name = settings.artifact if settings.artifact in names else None
        return load_live(bundle, settings.devices[0], name, max_batch)  # streams share its runs
    except UserError as error:
        _log.warning("live streams are computed window by window: %s", error)
        return None
