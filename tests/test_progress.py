"""Bars on a terminal, plain lines elsewhere, and nothing on standard output."""

import io
import sys
import threading
from contextlib import redirect_stderr

import pytest

from visionkit import progress
from visionkit.progress import Lines, bar, output_is_terminal, say, step


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal():
    """Standard error is a terminal, once the test has entered it: pytest's own capture would replace it before."""
    return Terminal()


def test_nothing_to_do_shows_nothing(capsys):
    assert list(bar([], "reading")) == []
    assert capsys.readouterr() == ("", "")


def test_short_work_writes_no_line_where_there_is_no_terminal(capsys):
    with bar(total=3, description="reading") as shown:
        shown.update(3)
        shown.set_postfix_str("validating")
    with step("Exporting: saving the graph"):
        pass
    assert isinstance(shown, Lines) and capsys.readouterr() == ("", "")


def test_long_work_writes_plain_lines_at_a_low_rate(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = bar(total=8000, description="reading\x1b[2J", unit=" images")
    shown.n = 2000
    shown.display()
    now = progress.LINE_EVERY
    shown.display()
    shown.display()  # at the same moment
    shown.close()
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "\r" not in err
    assert err.startswith("reading\\x1b[2J: 2,000 of 8,000 images, about ")


def test_a_terminal_shows_a_bar_that_does_not_stay(terminal, capsys):
    with redirect_stderr(terminal):
        assert sum(bar(range(4), "adding")) == 6
    assert "adding: " in terminal.getvalue() and terminal.getvalue().endswith("\r") and capsys.readouterr().out == ""


def test_a_terminal_shows_a_step_while_it_is_done(terminal):
    with redirect_stderr(terminal), step("Exporting: saving the graph"):
        assert terminal.getvalue().endswith("Exporting: saving the graph ...")
    assert terminal.getvalue().rsplit("\r", 2)[1].strip() == ""


def test_a_step_that_takes_long_is_a_line(capsys, monkeypatch):
    monkeypatch.setattr(progress, "STEP_AFTER", 0.0)
    with step("Exporting: saving the graph"):
        for timer in [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]:
            timer.join()
    assert capsys.readouterr() == ("", "Exporting: saving the graph ...\n")


def test_lines_stand_above_a_bar(terminal, capsys):
    with redirect_stderr(terminal), bar(total=2, description="epoch 1/2") as shown:
        shown.update()
        say("a line\r")
    assert capsys.readouterr().out == "a line\\r\n"


def test_an_output_that_is_no_file_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not output_is_terminal()
    monkeypatch.setattr(sys, "stdout", None)
    assert not output_is_terminal()
