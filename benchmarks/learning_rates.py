"""The learning rate that the finder takes, and rates that fall from stage to stage, beside the default.

    python benchmarks/learning_rates.py --hymenoptera hymenoptera_data/ --flowers flower_photos/ --raccoon raccoon_dataset/

The two classifiers fine-tune the whole base; the detector has images of 256 pixels.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import tyro

RECIPES = Path(__file__).parent.parent / "recipes"
VARIANTS = {
    "default": (),
    "auto": ("--learning-rate", "auto"),
    "stage decay 0.3": ("--stage-decay", "0.3"),
}


def measure(recipe: str, options: tuple[object, ...], folder: Path) -> tuple[float, float]:
    """Accuracy after the whole base was trained, or mAP at IoU 0.5, and seconds of one run of a recipe."""
    command = [sys.executable, RECIPES / f"{recipe}.py", "--out", folder, *options]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    values = json.loads((folder / "metrics.json").read_text())
    return values.get("accuracy_after_all", values.get("map50")), values["seconds"]


def main(hymenoptera: Path, flowers: Path, raccoon: Path, seeds: int = 3, epochs: int = 6) -> None:
    """Print a line for each data set, variant and seed.

    Args:
        hymenoptera: the folder of ants and bees.
        flowers: the folder of flowers.
        raccoon: the folder of raccoons.
        seeds: how many.
        epochs: of the classifiers; detectors take twice as many.
    """
    tuned = ("--unfreeze", "all", "--epochs", epochs)
    boxes = ("--size", 256, "--no-multi-scale", "--epochs", 2 * epochs)
    works = {
        "hymenoptera": ("transfer_learning", ("--data", hymenoptera.resolve(), *tuned)),
        "flowers": ("transfer_learning", ("--data", flowers.resolve(), *tuned)),
        "raccoon": ("yolo_detection", ("--data", raccoon.resolve(), *boxes)),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, (recipe, options) in works.items():
            for seed in range(seeds):
                for variant, more in VARIANTS.items():
                    out = Path(folder) / f"{name} {variant} {seed}"
                    accuracy, seconds = measure(recipe, (*options, *more, "--seed", seed), out)
                    print(f"{name:12} seed {seed}  {variant:16} {accuracy:.3f}  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
