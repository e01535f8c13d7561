"""How a live stream looks in a terminal."""

from rich.bar import Bar
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clients.live.messages import Answer, Draining, Ended, Event, Ready, Said, View

_BAR = 30


def in_words(said: Said) -> list[str]:
    """Return lines, as markup, for what is worth a line of its own; answers are not: there are many."""
    if isinstance(said, View):
        return [_view_in_words(said), *(f"[yellow]warning:[/] {escape(text)}" for text in said.warnings)]
    if isinstance(said, Event):
        until = f"to {said.end_s:7.2f} s" if said.is_over else "          ..."
        style = "bold" if said.is_over else "dim"
        return [f"{said.start_s:7.2f} {until}  [{style}]{escape(said.label)}[/] {said.score:.0%}"]
    if isinstance(said, Draining):
        return [f"[yellow]the service is being stopped within {said.within_s:.0f} s[/]"]
    if isinstance(said, Ended):
        return [
            f"[dim]{said.frames} frames, {said.answers} answers, {_drops(said.dropped.late, said.dropped.unpaired)}[/]"
        ]
    return []


def _view_in_words(view: View) -> str:
    if view.is_waiting:
        return f"[dim]{view.time_s:7.2f} s  nobody is in view[/]"
    if view.was_prepared or view.box_px is None:
        return f"[dim]{view.time_s:7.2f} s  all of the frame is looked at[/]"
    x0, y0, x1, y1 = view.box_px
    whom = "everybody" if view.person is None else f"person {view.person} of {view.num_people}"
    return f"[dim]{view.time_s:7.2f} s  {whom} is looked at, {x1 - x0}x{y1 - y0} at ({x0}, {y0})[/]"


def _drops(late: int, unpaired: int) -> str:
    return f"{late} frames came too fast, {unpaired} without the other stream's"


class Board:
    """The last answer: its scores as bars, how late it is, and what was dropped."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._answer: Answer | None = None
        self._event: Event | None = None

    def take(self, said: Said) -> None:
        """Show this from now on."""
        if isinstance(said, Answer):
            self._answer = said
        elif isinstance(said, Event):
            self._event = None if said.is_over else said
        elif isinstance(said, View | Ended):
            self._answer = self._event = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        answer = self._answer
        if answer is None:
            yield Text(f"an answer comes when {self._ready.window_s:.1f} s were seen", style="dim")
            return
        yield self._headline(answer)
        yield _scores(answer)
        late, unpaired = answer.dropped.late, answer.dropped.unpaired
        yield Text(f"{answer.end_s:.2f} s, {answer.lag_ms:.0f} ms late; {_drops(late, unpaired)}", style="dim")

    def _headline(self, answer: Answer) -> Text:
        if self._event is not None:
            return Text(self._event.label, style="bold green")
        if answer.known is False:
            return Text("unknown", style="bold yellow")
        return Text("nothing for certain", style="dim")


def _scores(answer: Answer) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column(width=_BAR)
    table.add_column(justify="right", width=6)
    for score in answer.predictions:
        bar = Bar(size=1.0, begin=0.0, end=score.score, width=_BAR, color="cyan")
        table.add_row(escape(score.label), bar, f"{score.score:.1%}")
    return table
