"""One process for each contender, all measured in turns: they share no threads, imports or memory.

A contender's process runs this file, too: it imports one loader, and goes through its images once for every line that it
reads. The workers of a torch DataLoader import the main file of their process again, which is this one, so it imports little.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psutil

STILL = 0.005  # seconds of processor time within 0.1 s: of a process that has come to rest
LONGEST_REST = 10.0  # seconds that a contender may go on after its turn


class Batch(NamedTuple):
    """What a loader reports for each batch: the shape of its images, and the number of boxes."""

    shape: tuple[int, ...]
    num_boxes: int = 0


Loader = Callable[[], Iterator[Batch]]  # one epoch; the time until it returns is not measured


class Turn(NamedTuple):
    """An epoch of a contender."""

    seconds: float
    num_images: int
    num_boxes: int
    shape: list[int]

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.num_images / self.seconds


class NotStartedError(RuntimeError):
    """A contender that cannot be measured here: its library is missing, or does not work."""


class Contender:
    """A loader in a process of its own; a context that ends it.

    Args:
        name: for the table.
        loader: "module.function" beside this file; ``function(**options)`` returns a ``Loader``.
        options: plain values.

    Raises:
        NotStartedError: the loader could not be made.
    """

    def __init__(self, name: str, loader: str, **options: Any):
        self.name = name
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.tree = psutil.Process(self._process.pid)
        try:
            self._ask({"loader": loader, "options": options})
        except NotStartedError:
            self.close()
            raise

    def _ask(self, request: Any) -> Any:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died; its log says why
        reply = self._process.stdout.readline()
        if not reply:
            self._log.seek(0)
            raise RuntimeError(f"{self.name} ended with status {self._process.wait()}: {self._log.read()[-4000:]}")
        reply = json.loads(reply)
        if isinstance(reply, dict) and "error" in reply:
            raise NotStartedError(f"{self.name} is left out: {reply['error']}")
        return reply

    def turn(self) -> Turn:
        """Go through the images once, and come to rest: workers that fetch ahead would disturb the next contender."""
        turn = Turn(*self._ask("epoch"))
        self._rest()
        return turn

    def _rest(self) -> None:
        until = time.perf_counter() + LONGEST_REST
        used = _processor_seconds(self.tree)
        while time.perf_counter() < until:
            time.sleep(0.1)
            before, used = used, _processor_seconds(self.tree)
            if used - before < STILL:
                return

    def close(self) -> None:
        """End the process and its workers."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> "Contender":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _processor_seconds(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:  # a worker that has just ended
            continue
        total += times.user + times.system
    return total


def resident_bytes(contender: Contender) -> int:
    """Memory of a contender's own process."""
    return contender.tree.memory_info().rss


def proportional_bytes(contender: Contender) -> int:
    """Memory of a contender's process and its workers; what they share counts once (on Linux; elsewhere in each)."""
    total = 0
    for process in (contender.tree, *contender.tree.children(recursive=True)):
        try:
            memory = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        total += getattr(memory, "pss", memory.rss)
    return total


def peak_bytes(contender: Contender, measure: Callable[[Contender], int], every: float) -> int:
    """The largest value of ``measure`` during one epoch, called once in ``every`` seconds."""
    over = threading.Event()
    peak = measure(contender)

    def watch():
        nonlocal peak
        while not over.wait(every):
            peak = max(peak, measure(contender))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        contender.turn()
    finally:
        over.set()
        watcher.join()
    return max(peak, measure(contender))


def in_turns(contenders: list[Contender], rounds: int) -> dict[str, list[Turn]]:
    """Measure all contenders in each round, after one round that warms up; each round begins with another of them."""
    turns: dict[str, list[Turn]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        first = number % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            turn = contender.turn()
            if number:
                turns[contender.name].append(turn)
    return turns


def print_speeds(turns: dict[str, list[Turn]]) -> None:
    """Median and range of each contender's speed, and the shape of its images."""
    print(f"{'':52} images a second")
    for name, rounds in turns.items():
        rates = [turn.rate for turn in rounds]
        digits = 0 if min(rates) >= 10 else 2
        speed = f"{statistics.median(rates):.{digits}f} ({min(rates):.{digits}f} to {max(rates):.{digits}f})"
        boxes = sum(turn.num_boxes for turn in rounds) / sum(turn.num_images for turn in rounds)
        shape = " x ".join(map(str, rounds[0].shape))
        print(f"{name:52} {speed:24} {shape}" + (f", {boxes:.1f} boxes an image" if boxes else ""))


def print_ratio(turns: dict[str, list[Turn]], ours: str, peer: str) -> None:
    """How many times as fast ours is: the ratio of the medians, and the range of the ratios within a round."""
    our_rates, rates = ([turn.rate for turn in turns[name]] for name in (ours, peer))
    ratios = [our_rate / rate for our_rate, rate in zip(our_rates, rates, strict=True)]
    ratio = statistics.median(our_rates) / statistics.median(rates)
    print(f"{ours} : {peer} = {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def serve(requests: Iterator[str], answer: Callable[[Any], None]) -> None:
    """What a contender's process does: make the loader, then measure an epoch for every further request."""
    request = json.loads(next(requests))
    module, function = request["loader"].rsplit(".", 1)
    try:
        start = getattr(importlib.import_module(module), function)(**request["options"])
    except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch raises the latter
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    answer("ready")
    for _ in requests:
        batches = start()
        began = time.perf_counter()
        num_images = num_boxes = 0
        for batch in batches:
            num_images += batch.shape[0]
            num_boxes += batch.num_boxes
        answer([time.perf_counter() - began, num_images, num_boxes, list(batch.shape[1:])])


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the log

    def answer(value: Any) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    serve(iter(sys.stdin.readline, ""), answer)


if __name__ == "__main__":
    main()
