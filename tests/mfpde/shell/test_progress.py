"""Progress by a clock that the test sets: a line a minute without a terminal, time so far and left on one."""

from io import StringIO

import pytest

from mfpde.shell.progress import Pace, ProgressBar, duration


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


def watched(monkeypatch: pytest.MonkeyPatch, stream: StringIO, clock: Clock, quiet: bool = False) -> ProgressBar:
    monkeypatch.setattr("sys.stderr", stream)
    return ProgressBar(quiet, clock)


def test_a_line_a_minute_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Of 200 s in steps of one third of a second, the lines of minutes 1, 2 and 3; nothing of a run that is shorter."""
    stream = StringIO()
    bar = watched(monkeypatch, stream, clock)
    for third in range(1, 600):
        clock.now = third / 3.0
        bar(f"t = {third}", third / 1200)
    bar.close()
    assert stream.getvalue().splitlines() == [
        "mfpde: 15 %, t = 180, 1 min so far, about 6 min left",
        "mfpde: 30 %, t = 360, 2 min so far, about 5 min left",
        "mfpde: 45 %, t = 540, 3 min so far, about 4 min left",
    ]


def test_a_long_stretch_without_a_word_is_told_too(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    stream = StringIO()
    bar = watched(monkeypatch, stream, clock)
    clock.now = 59.0
    bar.beat()
    assert stream.getvalue() == ""
    clock.now = 60.0
    bar.beat()
    bar("reducing the problem", 0.0)
    clock.now = 130.0
    bar.beat()
    assert stream.getvalue() == (
        "mfpde: at work, 1 min so far\nmfpde: reducing the problem, 2 min so far\n"  # said at 60 and at 130 s
    )


def test_nothing_is_said_quietly_nor_after_the_end(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    quiet, closed = StringIO(), StringIO()
    first, second = watched(monkeypatch, quiet, clock, quiet=True), watched(monkeypatch, closed, clock)
    second.close()
    clock.now = 1000.0
    for bar in (first, second):
        bar("t = 1", 0.5)
    assert quiet.getvalue() == closed.getvalue() == ""


def test_a_terminal_shows_times_and_is_left_clean(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    terminal = Terminal()
    bar = watched(monkeypatch, terminal, clock)
    bar("t = 0", 0.0)
    clock.now = 30.0
    bar("t = 2.5", 0.25)
    lines = terminal.getvalue().split("\r\x1b[K")
    assert lines[1].endswith("0 %  t = 0, 0 s so far")
    assert lines[2].endswith("25 %  t = 2.5, 30 s so far, about 2 min left")
    bar.close()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_the_pace_is_that_of_the_present_part() -> None:
    """A run that is gone on from at 80 % has done none of that, and an earlier part was another work."""
    pace = Pace(0.0)
    pace.seen(0.0, "reducing the problem", 0.0)
    pace.seen(100.0, "t = 8", 0.8)
    assert pace.text(100.0) == "2 min so far"
    pace.seen(110.0, "t = 9", 0.9)
    assert pace.text(110.0) == "2 min so far, about 10 s left"
    pace.seen(120.0, "t = 1", 0.1)
    assert pace.text(120.0) == "2 min so far"


def test_what_is_overdue_is_not_about_to_end() -> None:
    """86 % after 60 s: 10 s more were foretold; two minutes later nobody knows, and 1 s is the worst guess."""
    pace = Pace(0.0)
    pace.seen(0.0, "run 1 of 8", 0.0)
    pace.seen(60.0, "run 7 of 8", 0.86)
    assert pace.text(65.0) == "1 min so far, about 5 s left"
    assert pace.text(180.0) == "3 min so far, about 2 min left"


def test_work_goes_on_where_nobody_can_be_told(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    stream = StringIO()
    bar = watched(monkeypatch, stream, clock)
    stream.close()
    clock.now = 60.0
    bar("t = 1", 0.5)
    bar.close()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3590.0, "1 h 0 min"), (7500.0, "2 h 5 min")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
