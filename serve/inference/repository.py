"""The models of a service: which bundles there are, which of them are loaded, and how one takes another's place."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from export.bundle.archive import peek
from export.bundle.folder import sha256
from export.bundle.manifest import MANIFEST_NAME
from rgbd.errors import UserError, reason_of
from rgbd.recording.stills.numbering import natural_order
from serve.concurrency.threads import in_thread
from serve.errors import (
    LoadingError,
    NoModelError,
    ServiceError,
    UnknownModelError,
    UnusableBundleError,
    WhichModelError,
)
from serve.inference.served_model import ServedModel
from serve.schemas import IndexEntry

_log = logging.getLogger("serve")


@dataclass(frozen=True)
class Place:
    """Where a version of a model lies: a bundle as a folder or a .zip."""

    name: str
    version: str
    path: Path

    def read_mark(self) -> str:
        """Return what changes when another bundle lies there."""
        path = self.path / MANIFEST_NAME if self.path.is_dir() else self.path
        try:
            return sha256(path) if path.is_file() else ""
        except OSError:  # loading it will say so
            return ""


@dataclass
class _Version:
    """One version of one model. While it is loaded anew the old one goes on answering."""

    place: Place
    mark: str = ""
    model: ServedModel | None = None
    reason: str = "unloaded"
    is_loading: bool = False

    @property
    def state(self) -> str:
        if self.model is not None:
            return "READY"
        return "LOADING" if self.is_loading else "UNAVAILABLE"


class Repository:
    """Models by name and version.

    `find` returns the places of all bundles, `load` makes one of them a model that is warm and whose answer to a known
    clip is right. What would bring the process beyond `max_memory_mb` is given back.
    """

    def __init__(
        self, find: Callable[[], list[Place]], load: Callable[[Place], ServedModel], max_memory_mb: int | None
    ) -> None:
        self._find, self._load, self._max_memory_mb = find, load, max_memory_mb
        self._versions: dict[tuple[str, str], _Version] = {}
        self._one_at_a_time = asyncio.Lock()

    def load_all(self) -> None:
        """Load everything; raises `UserError` where something cannot be."""
        for place in self._find():
            version = self._versions[place.name, place.version] = _Version(place)
            self._open(version)

    @property
    def ready(self) -> list[ServedModel]:
        """The models that answer, by name, the newest version of each first."""
        models = [version.model for version in self._versions.values() if version.model is not None]
        models.sort(key=lambda model: natural_order(model.version), reverse=True)
        return sorted(models, key=lambda model: model.name)

    def get(self, name: str | None = None, version: str | None = None) -> ServedModel:
        """Return a model, of the newest version if none is named; no name is needed where only one is served.

        Raises 404 when there is none of that name, 503 when it is just being loaded or when there is none to choose
        from, 400 when it is not clear which.
        """
        names = sorted({model.name for model in self.ready})
        if name is None:
            self.check_any()
            if len(names) != 1:
                detail = f"say which model is asked, with ?model=; there are: {', '.join(names)}"
                raise WhichModelError(detail)
            name = names[0]
        for model in self.ready:
            if model.name == name and version in (None, model.version):
                return model
        wanted = name if version is None else f"{name}, version {version}"
        if any(
            v.is_loading and v.place.name == name and version in (None, v.place.version)
            for v in self._versions.values()
        ):
            raise LoadingError(f"{wanted} is being loaded; come back soon")
        listed = ", ".join(f"{model.name} {model.version}" for model in self.ready) or "none is loaded"
        raise UnknownModelError(f"there is no model {wanted!r}; there are: {listed}")

    def check_any(self) -> None:
        """Raise 503 when no model answers."""
        if not self.ready:
            detail = "no model is loaded; come back when the service's owner has loaded one"
            raise NoModelError(detail)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model that answer, the newest first."""
        return [model.version for model in self.ready if model.name == name]

    def index(self) -> list[IndexEntry]:
        """Return the state of every version, of those too that only lie in the repository."""
        try:
            found = self._find()
        except UserError:  # the files are gone; what was loaded from them still answers
            found = []
        known = {(place.name, place.version): _Version(place) for place in found} | self._versions
        ordered = sorted(known.values(), key=lambda version: (version.place.name, natural_order(version.place.version)))
        return [IndexEntry(name=v.place.name, version=v.place.version, state=v.state, reason=v.reason) for v in ordered]

    async def load(self, name: str) -> None:
        """Load what is new or has changed among the versions of a model, and unload what is gone.

        A version takes its predecessor's place in one step, warm and checked; requests that wait for the predecessor
        are answered by it. Raises 404 when no bundle has this name, 400 when one cannot be loaded; the predecessor then
        goes on.
        """
        async with self._one_at_a_time:
            with _reported():
                places = [place for place in await asyncio.to_thread(self._find) if place.name == name]
            if not places:
                detail = f"there is no bundle of a model {name!r} in the repository"
                raise UnknownModelError(detail)
            for place in places:
                version = self._versions.setdefault((name, place.version), _Version(place))
                version.place = place  # a folder may have become a zip
                if version.model is None or version.mark != await asyncio.to_thread(place.read_mark):
                    await self._replace(version)
            kept = {(name, place.version) for place in places}
            self._versions = {key: v for key, v in self._versions.items() if key[0] != name or key in kept}

    async def unload(self, name: str) -> None:
        """Take no more requests for a model; those that wait are answered. Raises 404 when it is not known."""
        async with self._one_at_a_time:
            versions = [version for version in self._versions.values() if version.place.name == name]
            if not versions:
                raise UnknownModelError(f"there is no model {name!r}")
            for version in versions:
                version.model, version.reason = None, "unloaded"
            _log.info("%s is unloaded", name)

    async def _replace(self, version: _Version) -> None:
        version.is_loading = True
        try:
            with _reported():
                await in_thread("loading", self._open, version)
        except ServiceError as error:
            version.reason = error.detail
            raise
        finally:
            version.is_loading = False

    def _open(self, version: _Version) -> None:
        mark = version.place.read_mark()  # read first: what changes while it is loaded counts as changed
        self._check_memory(version.place, "there is no room for")
        model = self._load(version.place)
        self._check_memory(version.place, "there is too little memory for")
        version.model, version.mark, version.reason = model, mark, ""
        _log.info("%s %s is ready: %s in %s", model.name, model.version, model.reply.runtime, model.reply.precision)

    def _check_memory(self, place: Place, trouble: str) -> None:
        used_mb = psutil.Process().memory_info().rss >> 20
        if self._max_memory_mb is not None and used_mb > self._max_memory_mb:
            raise UserError(
                f"{place.path}: {trouble} it: the service has {used_mb} MiB of max_memory_mb={self._max_memory_mb}; "
                "unload another model, or allow more"
            )


def one_bundle(path: Path) -> Callable[[], list[Place]]:
    """Return a repository of one bundle, which is called what it calls itself."""

    def find() -> list[Place]:
        manifest = peek(path)
        return [Place(manifest.name, manifest.version, path)]

    return find


def many_bundles(folder: Path) -> Callable[[], list[Place]]:
    """Return the repository `<folder>/<name>/<version>`, each a bundle's folder or <version>.zip.

    Folders and files that begin with a dot are left alone, so that a bundle can be copied under such a name first.
    """

    def find() -> list[Place]:
        if not folder.is_dir():
            raise UserError(f"{folder}: is no folder; models lie in it as <name>/<version>/, each what export wrote")
        try:
            places = _places_in(folder)
        except OSError as error:
            raise UserError(
                f"{error.filename}: cannot be read ({reason_of(error)}); let the service read it"
            ) from error
        if not places:
            raise UserError(f"{folder}: holds no models; put bundles into it as <name>/<version>/")
        return places

    return find


def _places_in(folder: Path) -> list[Place]:
    names = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    return [
        Place(name.name, path.name.removesuffix(".zip"), path)
        for name in names
        for path in sorted(name.iterdir())
        if not path.name.startswith(".") and (path.is_dir() or path.suffix == ".zip")
    ]


@contextmanager
def _reported() -> Iterator[None]:
    """Turn what is wrong with a bundle into a refusal."""
    try:
        yield
    except UserError as error:
        raise UnusableBundleError(str(error)) from error
