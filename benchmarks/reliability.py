"""What looking into a model costs before it is loaded, and the memory that `visionkit predict` takes for the largest images.

    python benchmarks/reliability.py --work models     # saved_models/*: the look into the graph, the digests, the load itself
    python benchmarks/reliability.py --work memory     # eight images of 99 to 179 megapixels in one folder; needs 1 GB of disk

Each model is loaded in a process of its own, and the three parts are timed in it. The memory is the peak of the process, as the
system counts it.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from PIL import Image

SAVED_MODELS = Path(__file__).parent.parent / "saved_models"
SIDE = 13_377  # of a square of the most pixels that are read


def _seconds(function: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def look(folder: Path) -> None:
    """Print the milliseconds that each check of a bundle takes, beside its load."""
    import tensorflow as tf

    from visionkit.bundle_files import check_files
    from visionkit.inference.graph_check import check_graph

    files, graph, load = (_seconds(part, str(folder)) for part in (check_files, check_graph, tf.saved_model.load))
    print(f"{folder.name:14} files {1e3 * files:7.1f} ms   graph {1e3 * graph:7.1f} ms   load {1e3 * load:9.1f} ms", flush=True)


def write_images(folder: Path) -> None:
    """Eight images of the kinds that take the most memory."""
    pixels = np.tile(np.arange(SIDE, dtype=np.uint8)[None, :, None], (SIDE, 1, 3))
    image, turned = Image.fromarray(pixels), Image.Exif()
    turned[0x112] = 6
    image.save(folder / "progressive.jpg", progressive=True, quality=90, subsampling=0)
    image.save(folder / "turned.jpg", exif=turned)
    image.save(folder / "colors.png", compress_level=1)
    image.save(folder / "lzw.tif", compression="tiff_lzw")
    image.save(folder / "raw.tif")
    image.crop((0, 0, 11_000, 11_000)).save(folder / "webp.webp", method=0)
    Image.fromarray(pixels[:9_000, :11_000, 0].astype(np.uint16) * 256).save(folder / "deep.png", compress_level=1)
    image.putalpha(image.getchannel(0))
    image.save(folder / "alpha.png", compress_level=1)


def memory(model: Path) -> None:
    """Print the peak of `visionkit predict` over all of them."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        command = [sys.executable, "-m", "visionkit.cli", "predict", str(model), folder]
        seconds = _seconds(lambda: subprocess.run(command, check=True, stderr=subprocess.DEVNULL))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"peak {peak / 1e9:.1f} GB in {seconds:.0f} s")


def main(work: Literal["models", "memory"], model: Path | None = None) -> None:
    """Measure.

    Args:
        work: the models, or the memory.
        model: one model alone. Default: all of them; for the memory, saved_models/flowers.
    """
    if work == "memory":
        memory(model or SAVED_MODELS / "flowers")
    elif model is not None:
        look(model)
    else:
        for folder in sorted(path for path in SAVED_MODELS.iterdir() if path.is_dir()):
            command = [sys.executable, __file__, "--work", "models", "--model", str(folder)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
