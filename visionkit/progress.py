"""The progress of long work, on standard error: a bar on a terminal, elsewhere plain lines at a low rate."""

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from visionkit.printable import duration, printable

LINE_EVERY = 60.0  # seconds between lines where no terminal shows a bar
STEP_AFTER = 60.0  # seconds after which a step that takes long is named there


class Lines(tqdm):
    """A tqdm that writes plain lines, without carriage returns: for files, pipes and the logs of schedulers."""

    def __init__(self, *arguments: Any, **options: Any):
        self._line_at = time.monotonic()
        super().__init__(*arguments, **options | {"mininterval": 1.0, "leave": False})

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Write a line, if the last one was long ago."""
        now = time.monotonic()
        if self.n and msg is None and now - self._line_at >= LINE_EVERY:
            self._line_at = now
            self.fp.write(f"{self.line()}\n")
            self.fp.flush()
        return True

    def line(self) -> str:
        """How far the work is, and how long the rest takes: "reading: 20 of 80 images, about 3 min left"."""
        done = self.format_dict
        of_all = f" of {done['total']:,}" if done["total"] else ""
        left = ""
        if done["total"] and done["n"] < done["total"]:
            rest = done["elapsed"] / done["n"] * (done["total"] - done["n"])
            left = f", about {duration(rest, rough=True)} left"
        return printable(f"{self.desc}: {done['n']:,}{of_all}{self.unit}{left}{(self.postfix and f'; {self.postfix}') or ''}")

    def close(self) -> None:
        """End without a line."""
        if not self.disable:
            self.disable = True
            self._decr_instances(self)


def bar(
    iterable: Iterable | None = None,
    description: str = "",
    *,
    total: float | None = None,
    unit: str = " steps",
    delay: float = 0.0,
    scale: bool = False,
    disable: bool = False,
) -> tqdm:
    """The progress of a loop, or of what calls ``update``; nothing of it stays on a terminal.

    Args:
        iterable: what is iterated over; None where ``update`` is called.
        description: what is done.
        total: how many items there are. Default: the length of ``iterable``.
        unit: of the items, with a space before it.
        delay: seconds before a bar is shown.
        scale: whether counts are shortened, as of bytes: 12.3M.
        disable: shows nothing.
    """
    options = {"total": total, "unit": unit, "delay": delay, "unit_scale": scale, "leave": False, "disable": disable}
    return (tqdm if is_terminal() else Lines)(iterable, printable(description), **options)


@contextmanager
def step(description: str) -> Iterator[None]:
    """Say on standard error what is done, while it is done; where no terminal shows it, only if it takes long.

    Args:
        description: such as "Exporting: saving the graph".
    """
    if is_terminal():
        with tqdm(desc=printable(description), bar_format="{desc} ...", leave=False):
            yield
        return
    timer = threading.Timer(STEP_AFTER, lambda: print(printable(f"{description} ..."), file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_terminal() -> bool:
    """Whether standard error is a terminal, so that a bar may be drawn."""
    return sys.stderr is not None and sys.stderr.isatty()


def output_is_terminal() -> bool:
    """Whether standard output goes to a terminal, where its own lines show how far the work is."""
    try:
        return os.isatty(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):  # it is closed, or no file
        return False


def say(line: str) -> None:
    """Write a line for people on standard output, above the bars."""
    tqdm.write(printable(line))
    if sys.stdout is not None:
        sys.stdout.flush()
