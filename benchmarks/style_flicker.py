"""Videos in a style: how much frames flicker, with and without the temporal term, and with optical flow behind.

    python benchmarks/style_flicker.py

Two small networks learn the same built-in style on crops of built-in photographs, one with ``--temporal``. They paint a
camera's pan over a photograph that neither has seen, with a sensor's noise; neighboring frames show the same, moved by a known
step. Flicker is the mean difference of neighboring painted frames where they show the same, in levels of 0 to 255.
"""

import itertools
import tempfile
from dataclasses import dataclass

import keras
import numpy as np
import tyro

import visionkit

visionkit.quiet_tensorflow()

from visionkit.data.demo.photographs import make_demo  # noqa: E402
from visionkit.data.demo.style_images import CONTENTS, painting  # noqa: E402
from visionkit.data.images.scan import scan  # noqa: E402
from visionkit.data.index import SkippedFiles  # noqa: E402
from visionkit.files import cache_folder  # noqa: E402
from visionkit.models.style_features import in_half_precision, style_features, style_layers  # noqa: E402
from visionkit.models.style_network import style_network  # noqa: E402
from visionkit.tasks.style_transfer.descent import resized  # noqa: E402
from visionkit.tasks.style_transfer.objective import USUAL, Maps, Style  # noqa: E402
from visionkit.tasks.style_transfer.plan import read_folder  # noqa: E402
from visionkit.tasks.style_transfer.temporal import Steady  # noqa: E402
from visionkit.tasks.style_transfer.train import Schedule, Targets, style_phase, validator, window_feeder  # noqa: E402
from visionkit.training import runtime  # noqa: E402
from visionkit.training.fit import load_weights, train_in_order  # noqa: E402
from visionkit.training.run_folder import RunFolder  # noqa: E402

STYLE, WINDOW, BATCH, NOISE = "strokes", 96, 4, 5.0
SCENE, FRAMES, STEP = "astronaut", 12, 3  # no crop of it is learnt from; pixels a frame
SIDE = 192  # of a frame


@dataclass(frozen=True)
class Options:
    """What is measured."""

    steps: int = 600
    """Of each training."""
    temporal: float = 20.0
    """Weight of the temporal term in one of them."""
    seed: int = 0
    """Draws order, windows and weights."""


def trained(options: Options, temporal: float, maps: Maps) -> tuple[keras.Model, float]:
    """A network, and its style loss on crops that are held out."""
    runtime.prepare(options.seed)
    skipped = SkippedFiles()
    splits = read_folder(str(make_demo(cache_folder() / "demo")), options.seed).map(lambda index, _: scan(index, skipped))
    targets = Targets.of([Style(maps.grams(resized(painting(STYLE), round(1.5 * WINDOW))))])
    schedule = Schedule(1, options.steps, BATCH, WINDOW, 3e-3, temporal)
    network = style_network(filters=16)
    if runtime.has_fast_bfloat16():
        in_half_precision(network, but=("shade",))
    feeder = window_feeder(splits.train, schedule, 1, seed=options.seed, skipped=skipped, cache=None)
    measure = validator(network, maps, targets, splits.val, WINDOW, skipped)
    phase = style_phase(network, schedule, maps, targets, USUAL, feeder, measure)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.start(folder, {})
        history = train_in_order(run, {"network": lambda: phase}, network)
        exact = style_network(filters=16)
        load_weights(exact, run.weights_file("network"))
        run.release()
    return exact, history[-1]["val_style_loss"]


def pan(seed: int) -> list[np.ndarray]:
    """Frames of a camera that moves to the right, uint8 ``(SIDE, SIDE, 3)``."""
    rng, scene = np.random.default_rng(seed), CONTENTS[SCENE]()
    frames = [scene[:SIDE, 120 + STEP * n : 120 + STEP * n + SIDE] for n in range(FRAMES)]
    return [(each + rng.normal(0, NOISE, each.shape)).round().clip(0, 255).astype(np.uint8) for each in frames]


def flicker(painted: list[np.ndarray]) -> float:
    """Mean difference of neighboring frames where they show the same, without the border."""
    pairs = itertools.pairwise(painted)
    return float(np.mean([np.abs(a[:, STEP:].astype(float) - b[:, :-STEP])[16:-16, 16:-16].mean() for a, b in pairs]))


def main(options: Options) -> None:
    """Train, paint, compare."""
    layers = style_layers("vgg16")
    features = style_features("vgg16", layers.names)
    maps = Maps(in_half_precision(features) if runtime.has_fast_bfloat16() else features, layers)
    frames = pan(options.seed)
    print(f"the frames themselves: {flicker(frames):.1f}")
    for temporal in (0.0, options.temporal):
        network, style_loss = trained(options, temporal, maps)
        one = keras.ops.ones((1, 1))
        painted = [keras.ops.convert_to_numpy(network([keras.ops.cast(each[None], "float32"), one]))[0] for each in frames]
        painted = [each.round().clip(0, 255).astype(np.uint8) for each in painted]
        steady = Steady()
        calmed = [steady(*pair) for pair in zip(frames, painted, strict=True)]
        words = f"flicker {flicker(painted):.1f}, with optical flow {flicker(calmed):.1f}"
        print(f"temporal {temporal:g}: style loss {style_loss:.4f}, {words}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
