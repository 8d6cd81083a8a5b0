"""Training on from one's own model, beside starting from ImageNet's weights, for as many epochs of the same network.

    python benchmarks/own_model.py --work flowers --data hymenoptera_data/      # from saved_models/flowers to ants and bees
    python benchmarks/own_model.py --work blood_cells --data BCCD/              # a detector learns one more class

``blood_cells`` first trains a detector on the boxes of all classes but one (``--without``), and then goes on with all of them;
``old`` is the mean average precision (IoU 0.5) of the classes that it knew before.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

ROOT = Path(__file__).parent.parent


def train(recipe: str, out: Path, *options: object) -> Path:
    """Run a recipe, without its progress, and return its run folder."""
    command = [sys.executable, str(ROOT / "recipes" / f"{recipe}.py"), "--out", out, *options]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return out


def metrics(run: Path) -> dict[str, float]:
    return json.loads((run / "metrics.json").read_text())


def flowers(data: Path, folder: Path, seeds: int, epochs: int) -> None:
    """Print the accuracy of each seed from both starts."""
    options = ("--data", data, "--epochs", epochs)
    for seed in range(seeds):
        starts = {"imagenet": (), "flowers": ("--from", ROOT / "saved_models" / "flowers")}
        runs = {
            name: train("transfer_learning", folder / f"{name}{seed}", *options, "--seed", seed, *start)
            for name, start in starts.items()
        }
        of_each = {name: metrics(run) for name, run in runs.items()}
        shown = (f"{name} {values['accuracy']:.3f} ({values['seconds']:.0f} s)" for name, values in of_each.items())
        print(f"seed {seed}  " + "  ".join(shown), flush=True)


def without_class(data: Path, folder: Path, name: str) -> Path:
    """A copy of a Pascal VOC data set without the boxes of a class."""
    shutil.copytree(data, folder)
    for file in folder.rglob("*.xml"):
        tree = ElementTree.parse(file)
        for each in [each for each in tree.getroot().findall("object") if each.findtext("name") == name]:
            tree.getroot().remove(each)
        tree.write(file)
    return folder


def by_class(run: Path, data: Path) -> dict[str, float]:
    """The average precision at IoU 0.5 of each class on the validation images."""
    from visionkit.data import sources
    from visionkit.data.images.scan import scan
    from visionkit.data.splits import train_and_val
    from visionkit.tasks.detection.evaluate import evaluate

    val = scan(train_and_val(sources.read(str(data)), seed=0).val)
    measured = evaluate(run / "model", val).measured
    return {name: each.ap50 for name, each in zip(val.class_names, measured.classes, strict=True)}


def blood_cells(data: Path, folder: Path, seeds: int, epochs: int, size: int, without: str) -> None:
    """Print the mAP of each seed from both starts, of all classes and of those that the first detector knew."""
    options = ("--size", size, "--no-multi-scale")
    fewer = without_class(data, folder / "fewer", without)
    first = train("yolo_detection", folder / "first", "--data", fewer, "--epochs", 2 * epochs, *options)
    before = {name: value for name, value in by_class(first, fewer).items() if name != without}
    print("before  " + "  ".join(f"{name} {value:.3f}" for name, value in before.items()), flush=True)
    for seed in range(seeds):
        starts = {"imagenet": (), "own": ("--from", first), "own, base frozen": ("--from", first, "--freeze", "base")}
        for name, start in starts.items():
            run = train(
                "yolo_detection", folder / f"{name}{seed}", "--data", data, "--epochs", epochs, "--seed", seed, *options, *start
            )
            values = by_class(run, data)
            old = np.mean([value for each, value in values.items() if each in before])
            every, new = np.mean(list(values.values())), values[without]
            print(
                f"seed {seed}  {name:18} all {every:.3f}  old {old:.3f}  {without} {new:.3f}  {metrics(run)['seconds']:.0f} s",
                flush=True,
            )


def main(
    work: Literal["flowers", "blood_cells"],
    data: Path,
    seeds: int = 3,
    epochs: int | None = None,
    size: int = 256,
    without: str = "Platelets",
) -> None:
    """Measure.

    Args:
        work: what is trained.
        data: its data set.
        seeds: how many.
        epochs: of each training. Default: 20; of detectors 10.
        size: side of the detectors' input in pixels.
        without: the class that the first detector does not see.
    """
    with tempfile.TemporaryDirectory() as folder:
        if work == "flowers":
            flowers(data.resolve(), Path(folder), seeds, epochs or 20)
        else:
            blood_cells(data.resolve(), Path(folder), seeds, epochs or 10, size, without)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
