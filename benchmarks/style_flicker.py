"""Videos in a style: how much frames flicker, with and without the temporal term, and with optical flow behind.

    python benchmarks/style_flicker.py

Two small networks learn the same built-in style on crops of built-in photographs, one of them with ``--temporal``. They paint a
pan over a photograph that neither was trained on, with sensor noise; adjacent frames show the same scene, moved by a known
step. Flicker is the mean difference between adjacent painted frames where both show the same part of the scene, in levels of
0 to 255.
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
from visionkit.files import cache_folder  # noqa: E402
from visionkit.models.style_features import in_half_precision, style_layers  # noqa: E402
from visionkit.models.style_network import style_network  # noqa: E402
from visionkit.tasks.style_transfer.descent import resize  # noqa: E402
from visionkit.tasks.style_transfer.objective import DEFAULT_WEIGHTS, FeatureExtractor, StyleTarget  # noqa: E402
from visionkit.tasks.style_transfer.plan import build_extractors, computes_in_half, read_folder  # noqa: E402
from visionkit.tasks.style_transfer.temporal import Steady  # noqa: E402
from visionkit.tasks.style_transfer.train import Schedule, StyleTargets, phase  # noqa: E402
from visionkit.training import runtime  # noqa: E402
from visionkit.training.fit import train_in_order  # noqa: E402
from visionkit.training.run_folder import RunFolder  # noqa: E402

STYLE, WINDOW, BATCH, NOISE = "strokes", 96, 4, 5.0
SCENE, FRAMES, STEP = "astronaut", 12, 3  # no crop of it is learnt from; pixels a frame
SIDE = 192  # of a frame


@dataclass(frozen=True)
class Options:
    """What is measured."""

    steps: int = 600
    """Steps of each training."""
    temporal: float = 20.0
    """Weight of the temporal term in one of them."""
    seed: int = 0
    """Seed of order, windows and weights."""


def trained(options: Options, temporal: float, extractor: FeatureExtractor) -> tuple[keras.Model, float]:
    """A network, and its style loss on crops that are held out."""
    runtime.prepare(options.seed)
    splits = read_folder(str(make_demo(cache_folder() / "demo")), options.seed).map(lambda index, _: scan(index))
    targets = StyleTargets.stack([StyleTarget(extractor.grams(resize(painting(STYLE), round(1.5 * WINDOW))))])
    schedule = Schedule(
        epochs=1, steps_per_epoch=options.steps, batch_size=BATCH, size=WINDOW, learning_rate=3e-3, temporal=temporal
    )
    network = style_network(filters=16)
    if computes_in_half("auto"):
        in_half_precision(network, but=("shade",))
    setup = (network, splits, schedule, extractor, targets, DEFAULT_WEIGHTS)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.start(folder, {})
        history = train_in_order(run, {"network": lambda: phase(*setup, seed=options.seed)}, network)
        run.release()
    exact = style_network(filters=16)
    exact.set_weights(network.get_weights())
    return exact, history[-1]["val_style_loss"]


def pan(seed: int) -> list[np.ndarray]:
    """Frames of a camera that moves to the right, uint8 ``(SIDE, SIDE, 3)``."""
    rng, scene = np.random.default_rng(seed), CONTENTS[SCENE]()
    frames = [scene[:SIDE, 120 + STEP * n : 120 + STEP * n + SIDE] for n in range(FRAMES)]
    return [(each + rng.normal(0, NOISE, each.shape)).round().clip(0, 255).astype(np.uint8) for each in frames]


def flicker(painted: list[np.ndarray]) -> float:
    """Mean difference of adjacent frames where both show the same part of the scene, without the border."""
    pairs = itertools.pairwise(painted)
    return float(np.mean([np.abs(a[:, STEP:].astype(float) - b[:, :-STEP])[16:-16, 16:-16].mean() for a, b in pairs]))


def main(options: Options) -> None:
    """Train, paint, compare."""
    settings = {"weights": None, "pooling": "max", "half_precision": computes_in_half("auto")}
    _, extractor = build_extractors("vgg16", style_layers("vgg16"), **settings)
    frames = pan(options.seed)
    print(f"the frames themselves: {flicker(frames):.1f}")
    for temporal in (0.0, options.temporal):
        network, style_loss = trained(options, temporal, extractor)
        one = keras.ops.ones((1, 1))
        painted = [keras.ops.convert_to_numpy(network([keras.ops.cast(each[None], "float32"), one]))[0] for each in frames]
        painted = [each.round().clip(0, 255).astype(np.uint8) for each in painted]
        steady = Steady()
        steadied = [steady(*pair) for pair in zip(frames, painted, strict=True)]
        words = f"flicker {flicker(painted):.1f}, with optical flow {flicker(steadied):.1f}"
        print(f"temporal {temporal:g}: style loss {style_loss:.4f}, {words}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
