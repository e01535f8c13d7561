"""A recording as the camera wrote it: its people are found, and what they need is cut out, as for training."""

from collections.abc import Iterator, Sequence

import numpy as np

from export.predictor.clip_request import ClipRequest
from export.predictor.decoded_clip import DecidedBy, PreparedAs, Subject, Whom
from export.predictor.frame_sources import align, in_groups, odd_in_files
from export.predictor.opened_files import Streams, all_named, file_named, without_paths
from rgbd.clip.alignment import Part
from rgbd.clip.build import check_kind
from rgbd.clip.ongoing import OngoingPreparation
from rgbd.clip.preparation import PRESENT_VERSION, Preparation
from rgbd.clip.prepare import prepare
from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.clip.sampling import bin_centres
from rgbd.errors import MediaError
from rgbd.people.individuals import Individual
from rgbd.recording.recording import Recording, recording_of
from rgbd.recording.timeline import Indices
from rgbd.types import Frame, Stream

_MAX_PEOPLE = 4  # about as many, the largest, there are answers of their own

_NOBODY = "nobody was found in it, so the whole frame was taken: the answer may well be wrong"
_NO_DEPTH = (
    "nobody can be found in colour alone, so the whole frame was taken: give depth, too, or cut out the people as the "
    "training clips were"
)


class NoSuchPersonError(MediaError):
    """There is nobody of the number that was asked for."""


def most_subjects(people: Whom | None) -> int:
    """Return about how many subjects there may be clips."""
    return _MAX_PEOPLE if people == "each" else 1


class RawSource:
    """A recording that is prepared as the model's training clips were, by the code that prepared those."""

    def __init__(self, streams: Streams, request: ClipRequest, decided_by: DecidedBy) -> None:
        self._streams, self._decided_by, self._people_asked_for = streams, decided_by, request.people
        self.given = tuple(stream for stream in request.streams if stream in streams)
        assert request.preparation is not None
        preparation = request.preparation.model_copy(update={"streams": self.given})
        for stream in self.given:
            with file_named(streams, stream):
                check_kind(stream, request.spec, is_measured=streams[stream][1].is_depth)
        self._wants_people = preparation.roi != "whole" or preparation.masks != "none"
        align(streams, request.meta, request.limits)  # raises where it lasts too long
        with all_named(streams):
            self._everybody, self._people = _prepared(_recording(streams, request), preparation, request)
            self._choice = _choice(request.people, preparation)
            self._subjects = _subjects(self._everybody, self._people or [], self._choice)
        self.alignment = self._everybody.kept.alignment
        self.num_subjects = len(self._subjects)
        self._shares: dict[int, list[float]] = {}  # of depth, which its masks keep, by subject

    def choose(self, part: Part, num_frames: int) -> dict[Stream, Indices]:
        """Return frames of each stream as evaluation chooses them: by their number among those that are kept."""
        first, last = part.ranges[self.given[0]]
        return dict.fromkeys(self.given, first + bin_centres(last - first, num_frames))

    def read(self, subject: int, stream: Stream, groups: Sequence[Indices]) -> Iterator[list[Frame]]:
        """Yield groups of frames as the data set would hold them."""
        _, prepared = self._subjects[subject]
        shares = []

        def read(numbers: list[int]) -> Iterator[Frame]:
            for frame, share in prepared.sample(stream, np.array(numbers, np.int64)):
                shares.append(share)
                yield frame

        with all_named(self._streams):
            yield from in_groups(read, groups)
        if stream == "depth" and prepared.masked is not None:
            self._shares[subject] = shares

    @property
    def prepared(self) -> PreparedAs:
        """What was done to the recording."""
        done, bodies = self._everybody, self._everybody.bodies
        searched_by = done.searched_by
        has_both = done.recording.rgb is not None and done.depth is not None
        return PreparedAs(
            was_prepared=False,
            decided_by=self._decided_by,
            frame_size=done.frame_size,
            registration=done.registration.source if has_both else None,
            masks=bodies.source if bodies is not None else None,
            depth_camera=searched_by.name if searched_by is not None else None,
            num_people=self.num_people,
        )

    @property
    def subjects(self) -> list[Subject]:
        """Whom the clips show."""
        return [
            Subject(
                person=person,
                box_px=prepared.boxes.only,
                mask_coverage=round(float(np.mean(self._shares[number])), 5) if number in self._shares else None,
            )
            for number, (person, prepared) in enumerate(self._subjects)
        ]

    @property
    def num_people(self) -> int | None:
        """How many were found; None where nobody was looked for."""
        return None if self._people is None else len(self._people)

    def ongoing(self, room: float) -> OngoingPreparation:
        """Return what does the same to frames that come after those of the recording, about the first subject.

        room: as much wider and higher is the box.
        """
        people, (person, _) = self._people or [], self._subjects[0]
        followed = None if person is None or self._choice == "all" else people[person - 1]
        return OngoingPreparation(self._everybody, people, followed, room)

    @property
    def views(self) -> list[tuple[int | None, PreparedRecording]]:
        """Whom the recording shows, and how it is cut for them: all together, where they are several, and each."""
        together = [(None, self._everybody)] if self.num_subjects > 1 else []
        return [*together, *self._subjects]

    @property
    def warnings(self) -> list[str]:
        """What is odd about the recording, and what became of several people."""
        done = self._everybody
        return [
            *(without_paths(text, self._streams) for text in (*done.warnings, *done.kept.warnings)),
            *odd_in_files(self._streams),
            *self._about_people(),
            *self._about_version(),
        ]

    def _about_version(self) -> Iterator[str]:
        if (version := self._everybody.preparation.version) != PRESENT_VERSION:
            yield (
                f"the training clips were prepared by version {version} of the code, and this one by version "
                f"{PRESENT_VERSION}, whose masks and boxes may differ"
            )

    def _about_people(self) -> Iterator[str]:
        if self._people is None:
            if self._everybody.depth is None and self._wants_people:
                yield _NO_DEPTH
            return
        num_people, (first, _) = len(self._people), self._subjects[0]
        if num_people == 0:
            yield _NOBODY
        elif num_people > 1 and len(self._subjects) == 1 and not isinstance(self._people_asked_for, int):
            whom = "all of them together" if first is None else "the one of whom most is seen"
            yield f"{num_people} people were found; this is the answer about {whom}: people=each has one about each"
        elif num_people > len(self._subjects) > 1:
            yield f"{num_people} people were found; there are answers about the {len(self._subjects)} largest"


def _recording(streams: Streams, request: ClipRequest) -> Recording:
    meta = request.meta
    readers = {stream: reader for stream, (_, reader) in streams.items()}
    depth = readers.get("depth")
    return recording_of(
        " and ".join(readers),
        readers,
        depth_scale_mm=meta.depth_scale_mm,
        depth_camera=None if depth is None else meta.depth_camera(depth.size),
        fps={stream: meta.fps_of(stream) for stream in readers},
    )


def _prepared(
    recording: Recording, preparation: Preparation, request: ClipRequest
) -> tuple[PreparedRecording, list[Individual] | None]:
    """Return the recording, prepared, and its people; where nobody is found, all of it is kept.

    None where nobody was looked for.
    """
    span = request.meta.start_s, request.meta.end_s
    prepared = prepare(recording, preparation, *span)
    people = prepared.individuals() if prepared.bodies is not None else None
    if people is None or people:
        return prepared, people
    whole = preparation.model_copy(update={"masks": "none", "roi": "whole"})
    return prepare(recording, whole, *span), people


def _choice(asked_for: Whom | None, preparation: Preparation) -> Whom:
    return asked_for or ("all" if preparation.has_mutual_actions else "largest")


def _subjects(
    everybody: PreparedRecording, people: Sequence[Individual], choice: Whom
) -> list[tuple[int | None, PreparedRecording]]:
    """Return whom clips are to show: a number from 1, None for all together; and the recording, cut for them."""
    most = min(len(people), _MAX_PEOPLE)
    if isinstance(choice, int) and not 1 <= choice <= most:
        raise NoSuchPersonError(f"person {choice}: {_known(most)}")
    if len(people) == 1:
        return [(1, everybody)]
    if choice == "all" or not people:
        return [(None, everybody)]
    if choice == "nearest":
        choice = 1 + min(range(len(people)), key=lambda number: float(people[number].places_m[-1][2]))
    chosen = [choice] if isinstance(choice, int) else range(1, 2 if choice == "largest" else most + 1)
    return [(person, everybody.of_person(person - 1, people)) for person in chosen]


def _known(num_people: int) -> str:
    if num_people == 0:
        return "nobody was found in the recording; leave person out"
    if num_people == 1:
        return "one person was found, who is 1"
    return f"there are the people {', '.join(map(str, range(1, num_people + 1)))}, 1 being the largest"
