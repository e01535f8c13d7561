"""The models that the settings name, loaded."""

import logging

from export.bundle.archive import open_bundle
from export.runtimes.loading import load_runtime
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
        return ServedModel(bundle, runtime, place.name, place.version)

    if settings.models is not None:
        find = many_bundles(settings.models)
    else:
        assert settings.bundle is not None  # as the settings promise
        find = one_bundle(settings.bundle)
    repository = Repository(find, load, settings.max_model_memory_mb)
    repository.load_all()
    return repository
