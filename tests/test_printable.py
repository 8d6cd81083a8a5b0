"""No text commands the terminal that it is written to."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from tqdm import tqdm

from visionkit.printable import PrintableStream, duration, number, printable, printable_streams, some


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Zoë 猫 \u0928\u200d\u092e a b.jpg", "Zoë 猫 \u0928\u200d\u092e a b.jpg"),
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x7f\x9b2J\x85", r"\x7f\x9b2J\x85"),
        ("gpj.\u202eevil\u2066\u2028\u200f", r"gpj.\u202eevil\u2066\u2028\u200f"),
        ("gro\udcdfe \ud83d", r"gro\xdfe \ud83d"),
    ],
)
def test_what_a_terminal_obeys_becomes_an_escape(text, shown):
    assert printable(text) == shown
    assert len(printable(text).encode().splitlines()) <= 1


def test_streams_escape_all_but_breaks_of_lines_and_returns():
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        with printable_streams():
            print("a\x1b[2J", "b\tc")
            sys.stderr.writelines(["\rbar\x9b", "\n"])
        print("\x1b", end="")
    assert out.getvalue() == "a\\x1b[2J b\tc\n\x1b" and err.getvalue() == "\rbar\\x9b\n"


def test_a_stream_that_cannot_encode_and_one_that_is_closed():
    raw = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(raw, "ascii")), redirect_stderr(None):
        with printable_streams():
            print("é \udcff", flush=True)
            print("nowhere", file=sys.stderr)
        assert raw.getvalue() == b"\\xe9 \\xff\n"


def test_names_are_read_as_utf8_whatever_the_locale():
    assert printable("r\udcc3\udcb6t \udcff") == r"röt \xff"


def test_progress_bars_below_each_other_still_move():
    screen = io.StringIO()
    for _ in tqdm([1], "outer", file=PrintableStream(screen)):
        list(tqdm([1], "in\x1bner", file=PrintableStream(screen), leave=False))
    assert "\x1b[A" in screen.getvalue() and "\\x1b[A" not in screen.getvalue() and "in\\x1bner" in screen.getvalue()


def test_many_names_are_shortened():
    assert some(["a"]) == "a" and some(list("abcdef")) == "a, b, c, d and 2 more"


@pytest.mark.parametrize(
    ("seconds", "exact", "rough"),
    [
        (0, "0 s", "0 s"),
        (0.0234, "0.02 s", "0 s"),
        (1.234, "1.2 s", "1 s"),
        (34.2, "34 s", "34 s"),
        (60, "1 min", "60 s"),
        (95, "1 min 35 s", "2 min"),
        (3599.9, "1 h", "1 h"),
        (7500, "2 h 5 min", "2 h 5 min"),
    ],
)
def test_times_are_in_words(seconds, exact, rough):
    assert (duration(seconds), duration(seconds, rough=True)) == (exact, rough)


def test_numbers_have_three_digits_or_all_before_the_point():
    shown = {
        0: "0",
        1.0: "1",
        0.41234: "0.412",
        12.345: "12.3",
        123.4: "123",
        12345.6: "12,346",
        -0.5: "-0.5",
        1e-5: "1e-05",
    }
    assert {value: number(value) for value in shown} == shown
