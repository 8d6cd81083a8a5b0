"""Style transfer: the time of a step, the time to a loss, one pass of a network beside the descent, and peak memory.

    pip install torch torchvision        # the peers of the steps; without them these are left out
    python benchmarks/style.py

steps: one step of Gatys' optimization on 256 x 256 pixels, VGG-16 up to conv5_1, and one image through Johnson's network; in
PyTorch in its two layouts, in float32 and in bfloat16, and compiled. Processes take turns, see turns.py.
descent: the built-in pair at 256 pixels. 500 steps of plain Adam at several constant rates, against the recipe's coarse-to-fine
descent: seconds, tracing included, until its loss at the finest scale is as low. It may take more steps than in the recipe.
network: a bundle that paints in one pass against the descent with the same loss, on all built-in photographs, in each of its
styles: style and content loss, computed by the same float32 network at the same size, and seconds.
memory: peak memory of a fresh process that paints 2048 x 2048 pixels.
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
RATES = (2.5, 5.0, 10.0)  # learning rates of plain Adam, in levels of 0 to 255
LONGER = 2  # factor by which the recipe's descent may take more steps
LAST = 25  # steps whose median loss counts: losses go up and down, by 4% at the largest rate
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
    """Beta of that descent, as in the bundle's training."""
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
        print(f"\n== a step of the optimization, {precision}")
        half = {"half": precision == "bfloat16"}
        peers = {
            "PyTorch": ("torch_optimization", {"channels_last": False} | half),
            "PyTorch, channels last": ("torch_optimization", last | half),
            "PyTorch, channels last, compiled": ("torch_optimization", last | half | {"compiled": True}),
        }
        ways = {OURS: ("our_optimization", {"precision": precision})} | peers
        compare({name: (f"style_steps.{loader}", own) for name, (loader, own) in ways.items()}, options.rounds, **common)
    print("\n== an image through Johnson's network")
    ways = {
        OURS: ("our_stylization", {}),
        "PyTorch": ("torch_stylization", {"channels_last": False}),
        "PyTorch, channels last": ("torch_stylization", last),
        "PyTorch, channels last, compiled": ("torch_stylization", last | {"compiled": True}),
    }
    compare({name: (f"style_steps.{loader}", own) for name, (loader, own) in ways.items()}, options.rounds, **common)


def descent(options: Options) -> None:
    """Seconds to the same loss."""
    from visionkit.tasks.style_transfer import descent as module
    from visionkit.tasks.style_transfer.descent import DescentSettings, Scale, choose_scales

    extractor = build_extractor()
    decayed, module.DECAYED = module.DECAYED, 1.0  # plain Adam keeps its rate
    plain = {rate: record_losses(extractor, DescentSettings((Scale(SIZE, STEPS),), "adam", rate)) for rate in RATES}
    module.DECAYED = decayed
    ends = {rate: statistics.median(loss for _, loss, _ in rows[-LAST:]) for rate, (rows, _) in plain.items()}
    for rate, (rows, seconds) in plain.items():
        last = [loss for _, loss, _ in rows[-LAST:]]
        words = f"the median of the last {LAST}, {min(last):.4f} to {max(last):.4f}"
        print(f"plain Adam, rate {rate}: loss {ends[rate]:.4f} after {STEPS} steps ({words}), {seconds:.1f} s")
    for number in range(options.rounds):
        *coarser, finest = choose_scales(SIZE)
        settings = DescentSettings((*coarser, finest._replace(steps=LONGER * finest.steps)))
        rows, seconds = record_losses(extractor, settings)
        print(f"round {number}: the recipe's descent: {rows[-1][1]:.4f} after {seconds:.1f} s")
        for rate, (_, plain_seconds) in plain.items():
            reached = next((at for at, loss, side in rows if side == SIZE and loss <= ends[rate]), None)
            words = f"after {reached:.1f} s: {plain_seconds / reached:.2f} times as fast" if reached else "not reached"
            print(f"    as low as at rate {rate}: {words}")


def build_extractor(*, exact: bool = False):
    """The recipe's feature extractor, in float32 if ``exact``."""
    from visionkit.models.style_features import style_layers
    from visionkit.tasks.style_transfer.plan import build_extractors, computes_in_half

    half = computes_in_half("auto") and not exact
    return build_extractors("vgg16", style_layers("vgg16"), weights=None, pooling="max", half_precision=half)[1]


def record_losses(extractor, settings) -> tuple[list[tuple[float, float, int]], float]:
    """Paint the built-in pair: seconds, loss and side at each step; and seconds in all."""
    from visionkit.data.demo.style_images import CONTENTS, painting
    from visionkit.tasks.style_transfer.descent import StyleImage, stylize

    content, styles = CONTENTS[CONTENT](), [StyleImage(painting(STYLE))]
    rows, began = [], time.perf_counter()

    def record(progress) -> None:
        rows.append((time.perf_counter() - began, progress.loss.total, settings.scales[progress.scale].side))

    stylize(content, styles, extractor, settings, callback=record)
    return rows, time.perf_counter() - began


def network(options: Options) -> None:
    """One pass of a network beside the descent for the same image."""
    import visionkit
    from visionkit.data.demo.style_images import CONTENTS, painting
    from visionkit.tasks.style_transfer import descent
    from visionkit.tasks.style_transfer.evaluate import losses
    from visionkit.tasks.style_transfer.objective import LossWeights

    model, extractor, exact = visionkit.load(options.model), build_extractor(), build_extractor(exact=True)
    settings = descent.DescentSettings(descent.choose_scales(options.size))
    weights, ratios = LossWeights(style=options.style_weight), []
    for style in model.labels:
        for name, photograph in CONTENTS.items():
            content, styles = photograph(), [descent.StyleImage(painting(style))]
            small = descent.resize(content, options.size).round().astype(np.uint8)
            model.predict(small, style=style)
            began = time.perf_counter()
            for _ in range(options.rounds):
                once = model.predict(small, style=style).pixels
            pass_seconds = (time.perf_counter() - began) / options.rounds
            began = time.perf_counter()
            slow = descent.stylize(content, styles, extractor, settings, weights)
            seconds = time.perf_counter() - began
            scale = descent.prepare_scale(content, styles, exact, descent.Scale(options.size, 1), 1.0, weights)
            by_pass, by_descent = losses(once, scale), losses(slow, scale)
            quotients = (by_pass[part] / by_descent[part] for part in ("style_loss", "content_loss"))
            ratios.append((*quotients, seconds / pass_seconds))
            for way, loss, taken in (("pass", by_pass, pass_seconds), ("descent", by_descent, seconds)):
                values = f"style {loss['style_loss']:.5f} content {loss['content_loss']:.3f}"
                print(f"{style:9} {name:10} {way:8} {values} {taken:7.3f} s")
    names = ("style loss, pass : descent", "content loss, pass : descent", "times as fast")
    for name, values in zip(names, zip(*ratios, strict=True), strict=True):
        print(f"{name}: median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")


def memory(options: Options) -> None:
    """Peak memory, each in a process of its own."""
    for work in ("descent", "network"):
        subprocess.run([sys.executable, __file__, "--memory-of", work, "--model", str(options.model)], check=True)


def print_peak(options: Options) -> None:
    """Paint a large image in this process."""
    import visionkit

    visionkit.quiet_tensorflow()
    from visionkit.data.demo.style_images import CONTENTS, painting
    from visionkit.tasks.style_transfer.descent import DescentSettings, Scale, StyleImage, resize, stylize

    large = np.ascontiguousarray(resize(CONTENTS["astronaut"](), 2048).round().astype(np.uint8))
    began = time.perf_counter()
    if options.memory_of == "network":
        visionkit.load(options.model).predict(large)
    else:
        stylize(large, [StyleImage(painting(STYLE))], build_extractor(), DescentSettings((Scale(1024, 2), Scale(2048, 2))))
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
