"""The painted images of docs/style.md, at the size and by the descent that the recipe takes.

    python benchmarks/style_figure.py        # writes docs/images/styles.jpg and one_pass.jpg

styles: built-in photographs painted in built-in styles, each with its style in a corner.
one_pass: built-in photographs, below them the output of a bundle in one pass, and below these the descent.
"""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import tyro
from PIL import Image

import visionkit

visionkit.quiet_tensorflow()

from visionkit.data.demo.style_images import CONTENTS, painting  # noqa: E402
from visionkit.models.style_features import style_layers  # noqa: E402
from visionkit.tasks.style_transfer.descent import DescentSettings, StyleImage, choose_scales, resize, stylize  # noqa: E402
from visionkit.tasks.style_transfer.objective import FeatureExtractor  # noqa: E402
from visionkit.tasks.style_transfer.plan import build_extractors, computes_in_half  # noqa: E402
from visionkit.tasks.style_transfer.predict import Stylizer  # noqa: E402

PAIRS = (("temple", "strokes"), ("cat", "mosaic"), ("astronaut", "woodcut"), ("coffee", "glass"))
SHOWN = ("astronaut", "temple", "cat")
HEIGHT, LOW, CORNER, GAP = 330, 215, 0.27, 10  # pixels, and of the smaller ones; share of the height; pixels


def main(
    figures: tuple[Literal["styles", "one_pass"], ...] = ("styles", "one_pass"),
    folder: Path = Path(__file__).parents[1] / "docs" / "images",
    model: Path = Path(__file__).parents[1] / "saved_models" / "painting",
    size: int = 512,
) -> None:
    """Paint.

    Args:
        figures: The figures to paint.
        folder: The folder that they are written to.
        model: The bundle that paints in one pass, in a built-in style.
        size: Longer side at which images are painted.
    """
    options = {"weights": None, "pooling": "max", "half_precision": computes_in_half("auto")}
    _, extractor = build_extractors("vgg16", style_layers("vgg16"), **options)
    rows = {
        "styles": lambda: in_styles(extractor, size),
        "one_pass": lambda: in_one_pass(extractor, visionkit.load(model), size),
    }
    for figure in figures:
        Image.fromarray(sheet(rows[figure]())).save(folder / f"{figure}.jpg", quality=72)  # below 150 kB


def in_styles(extractor: FeatureExtractor, size: int) -> list[np.ndarray]:
    """Two rows of two painted images."""
    cells = []
    for content, style in PAIRS:
        print(content, style, flush=True)
        image, settings = painting(style), DescentSettings(choose_scales(size))
        cells.append(with_corner(stylize(CONTENTS[content](), [StyleImage(image)], extractor, settings), image))
    return [beside(cells[start : start + 2]) for start in range(0, len(cells), 2)]


def in_one_pass(extractor: FeatureExtractor, model: Stylizer, size: int) -> list[np.ndarray]:
    """A row of photographs, a row painted in one pass, and a row painted by the descent."""
    rows = [[], [], []]
    for name in SHOWN:
        print(name, "in one pass", flush=True)
        photograph = resize(CONTENTS[name](), size).round().astype(np.uint8)
        styles, settings = [StyleImage(painting(model.labels[0]))], DescentSettings(choose_scales(size))
        painted = model.predict(photograph).pixels, stylize(photograph, styles, extractor, settings)
        for row, image in zip(rows, (photograph, *painted), strict=True):
            row.append(at_height(image, LOW))
    return [beside(row) for row in rows]


def sheet(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of one width, with gaps."""
    width = min(row.shape[1] for row in rows)
    rows = [cv2.resize(row, (width, round(len(row) * width / row.shape[1])), interpolation=cv2.INTER_AREA) for row in rows]
    return np.concatenate([np.pad(row, ((0, GAP), (0, 0), (0, 0)), constant_values=255) for row in rows])[:-GAP]


def at_height(image: np.ndarray, height: int) -> np.ndarray:
    """Resize in proportion to a height."""
    return cv2.resize(image, (round(image.shape[1] * height / len(image)), height), interpolation=cv2.INTER_AREA)


def with_corner(painted: np.ndarray, style: np.ndarray) -> np.ndarray:
    """An image of the row's height, its style framed in the lower right corner."""
    image = at_height(painted, HEIGHT)
    side = round(CORNER * HEIGHT)
    small = cv2.resize(style, (side, side), interpolation=cv2.INTER_AREA)
    corner = np.pad(small, ((3, 0), (3, 0), (0, 0)), constant_values=255)
    image[-len(corner) :, -corner.shape[1] :] = corner
    return image


def beside(cells: list[np.ndarray]) -> np.ndarray:
    """Images of one height side by side, with a gap."""
    padded = [np.pad(cell, ((0, 0), (0, GAP), (0, 0)), constant_values=255) for cell in cells]
    return np.concatenate(padded, axis=1)[:, :-GAP]


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
