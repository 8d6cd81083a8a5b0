"""Style transfer: how long a step takes, how long the way is, what one pass of a network is worth, how much memory all takes.

    pip install torch torchvision        # the peers of the steps; without them these are left out
    python benchmarks/style.py

steps: one step of Gatys' optimisation on 256 x 256 pixels, VGG-16 up to conv5_1, and one image through Johnson's network, in
PyTorch in its two layouts, in float32 and in bfloat16, and compiled; processes take turns, see turns.py.
descent: the built-in pair at 256 pixels. 500 steps of plain Adam, at some constant rates, against the recipe's coarse-to-fine
descent; seconds until its loss, at the finest scale, is as low, tracing included. It may go on for longer than the recipe does.
network: a bundle that paints in one pass against the descent that makes the same loss small, on all built-in photographs, in
each of its styles: style and content loss by the same float32 network at the same size, and seconds.
memory: peak of a fresh process that paints 2048 x 2048 pixels.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from detection import OURS, compare

SIZE, STEPS = 256, 500
RATES = (2.5, 5.0, 10.0)  # of plain Adam, in levels of 0 to 255
LONGER = 2  # may the recipe's descent last
LAST = 25  # steps of it, whose losses go up and down, by 4% at the largest rate
CONTENT, STYLE = "temple", "strokes"  # the built-in pair
Work = Literal["steps", "descent", "network", "memory"]


@dataclass(frozen=True)
class Options:
    """What is measured."""

    work: tuple[Work, ...] = ("steps", "descent", "network", "memory")
    """Which sections."""
    model: Path = Path(__file__).parents[1] / "saved_models" / "painting"
    """The bundle that paints in one pass, in built-in styles."""
    size: int = 384
    """Longer side in pixels of what the bundle and the descent paint."""
    style_weight: float = 60.0
    """Beta of that descent: what the bundle was trained for."""
    rounds: int = 3
    """Turns of each contender."""
    seconds: float = 3.0
    """Length of a turn."""
    memory_of: Literal["", "descent", "network"] = ""
    """Paint 2048 x 2048 pixels in this process, and print its peak of memory."""


def steps(options: Options) -> None:
    """Steps a second, and images a second."""
    last, common = {"channels_last": True}, {"size": SIZE, "seconds": options.seconds}
    for precision in ("float32", "bfloat16"):
        print(f"\n== a step of the optimisation, {precision}")
        half = {"half": precision == "bfloat16"}
        peers = {
            "PyTorch": ("torch_optimisation", {"channels_last": False} | half),
            "PyTorch, channels last": ("torch_optimisation", last | half),
            "PyTorch, channels last, compiled": ("torch_optimisation", last | half | {"compiled": True}),
        }
        ways = {OURS: ("our_optimisation", {"precision": precision})} | peers
        compare({name: (f"style_steps.{loader}", own) for name, (loader, own) in ways.items()}, options.rounds, **common)
    print("\n== an image through Johnson's network")
    ways = {
        OURS: ("our_stylisation", {}),
        "PyTorch": ("torch_stylisation", {"channels_last": False}),
        "PyTorch, channels last": ("torch_stylisation", last),
        "PyTorch, channels last, compiled": ("torch_stylisation", last | {"compiled": True}),
    }
    compare({name: (f"style_steps.{loader}", own) for name, (loader, own) in ways.items()}, options.rounds, **common)


def descent(options: Options) -> None:
    """Seconds to the same loss."""
    from visionkit.tasks.style_transfer import descent as stylize
    from visionkit.tasks.style_transfer.descent import How, Scale, scales_to

    maps = looking()
    decayed, stylize.DECAYED = stylize.DECAYED, 1.0  # plain Adam keeps its rate
    plain = {rate: losses_of(maps, How((Scale(SIZE, STEPS),), "adam", rate)) for rate in RATES}
    stylize.DECAYED = decayed
    ends = {rate: statistics.median(loss for _, loss, _ in told[-LAST:]) for rate, (told, _) in plain.items()}
    for rate, (told, seconds) in plain.items():
        last = [loss for _, loss, _ in told[-LAST:]]
        words = f"the median of the last {LAST}, {min(last):.4f} to {max(last):.4f}"
        print(f"plain Adam, rate {rate}: loss {ends[rate]:.4f} after {STEPS} steps ({words}), {seconds:.1f} s")
    for number in range(options.rounds):
        *coarser, finest = scales_to(SIZE)
        told, seconds = losses_of(maps, How((*coarser, finest._replace(steps=LONGER * finest.steps))))
        print(f"round {number}: the recipe's descent: {told[-1][1]:.4f} after {seconds:.1f} s")
        for rate, (_, its_seconds) in plain.items():
            reached = next((at for at, loss, side in told if side == SIZE and loss <= ends[rate]), None)
            words = f"after {reached:.1f} s: {its_seconds / reached:.2f} times as fast" if reached else "not"
            print(f"    as low as at rate {rate}: {words}")


def looking(*, exact: bool = False):
    """VGG-16 as the recipe looks through it."""
    from visionkit.models.style_features import in_half_precision, style_features, style_layers
    from visionkit.tasks.style_transfer.objective import Maps
    from visionkit.training import runtime

    layers = style_layers("vgg16")
    features = style_features("vgg16", layers.names)
    return Maps(features if exact or not runtime.has_fast_bfloat16() else in_half_precision(features), layers)


def losses_of(maps, how) -> tuple[list[tuple[float, float, int]], float]:
    """Seconds, loss and side at each step of painting the built-in pair; and seconds in all."""
    from visionkit.data.demo.style_images import CONTENTS, painting
    from visionkit.tasks.style_transfer.descent import Wanted, stylize

    content, wanted = CONTENTS[CONTENT](), [Wanted(painting(STYLE))]
    told, began = [], time.perf_counter()

    def watch(now) -> None:
        told.append((time.perf_counter() - began, now.loss.total, how.scales[now.scale].side))

    stylize(content, wanted, maps, how, watch=watch)
    return told, time.perf_counter() - began


def network(options: Options) -> None:
    """What one pass is worth beside the descent for the same image."""
    import visionkit
    from visionkit.data.demo.style_images import CONTENTS, painting
    from visionkit.tasks.style_transfer.descent import How, Scale, Wanted, prepared, resized, scales_to, stylize, wide_enough
    from visionkit.tasks.style_transfer.objective import LossWeights

    model, maps, exact = visionkit.load(options.model), looking(), looking(exact=True)
    how, shares, found = How(scales_to(options.size)), LossWeights(style=options.style_weight), []
    for style in model.labels:
        for name, photograph in CONTENTS.items():
            content, wanted = photograph(), [Wanted(painting(style))]
            small = resized(content, options.size).round().astype(np.uint8)
            model.predict(small, style=style)
            began = time.perf_counter()
            for _ in range(options.rounds):
                once = model.predict(small, style=style).pixels
            pass_seconds = (time.perf_counter() - began) / options.rounds
            began = time.perf_counter()
            slow = stylize(content, wanted, maps, how, shares)
            seconds = time.perf_counter() - began
            objective = prepared(content, wanted, exact, Scale(options.size, 1), 1.0, shares).objective
            of_pass, of_descent = (objective.loss(wide_enough(each.astype(np.float32))) for each in (once, slow))
            losses = (getattr(of_pass, part) / getattr(of_descent, part) for part in ("style_loss", "content_loss"))
            found.append((*losses, seconds / pass_seconds))
            for way, loss, taken in (("pass", of_pass, pass_seconds), ("descent", of_descent, seconds)):
                print(f"{style:9} {name:10} {way:8} style {loss.style_loss:.5f} content {loss.content_loss:.3f} {taken:7.3f} s")
    names = ("style loss, pass : descent", "content loss, pass : descent", "times as fast")
    for name, values in zip(names, zip(*found, strict=True), strict=True):
        print(f"{name}: median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")


def memory(options: Options) -> None:
    """Peaks of processes of their own."""
    for work in ("descent", "network"):
        subprocess.run([sys.executable, __file__, "--memory-of", work, "--model", str(options.model)], check=True)


def print_peak(options: Options) -> None:
    """Paint a large image here."""
    import visionkit

    visionkit.quiet_tensorflow()
    from visionkit.data.demo.style_images import CONTENTS, painting
    from visionkit.tasks.style_transfer.descent import How, Scale, Wanted, resized, stylize

    large = np.ascontiguousarray(resized(CONTENTS["astronaut"](), 2048).round().astype(np.uint8))
    began = time.perf_counter()
    if options.memory_of == "network":
        visionkit.load(options.model).predict(large)
    else:
        stylize(large, [Wanted(painting(STYLE))], looking(), How((Scale(1024, 2), Scale(2048, 2))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{options.memory_of}, {large.shape[1]} x {large.shape[0]}: peak {peak:.2f} GB, {time.perf_counter() - began:.0f} s")


def main(options: Options) -> None:
    """Go through the sections."""
    if options.memory_of:
        print_peak(options)
        return
    import visionkit

    visionkit.quiet_tensorflow()
    print(f"{os.cpu_count()} cores")
    for work in options.work:
        print(f"\n== {work}")
        {"steps": steps, "descent": descent, "network": network, "memory": memory}[work](options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
