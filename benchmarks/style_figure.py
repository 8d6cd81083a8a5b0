"""The pictures of the README: built-in photographs painted in built-in styles, each with its style in a corner.

python benchmarks/style_figure.py        # writes benchmarks/figures/styles.jpg
"""

from pathlib import Path

import cv2
import numpy as np
import tyro
from PIL import Image

import visionkit

visionkit.quiet_tensorflow()

from visionkit.data.style_demo import CONTENTS, painting  # noqa: E402
from visionkit.models.style_features import in_half_precision, style_features, style_layers  # noqa: E402
from visionkit.training import runtime  # noqa: E402
from visionkit.training.style_objective import Maps  # noqa: E402
from visionkit.training.stylize import How, Wanted, scales_to, stylize  # noqa: E402

PAIRS = (("temple", "strokes"), ("cat", "mosaic"), ("astronaut", "woodcut"), ("coffee", "glass"))
HEIGHT, CORNER, GAP = 330, 0.27, 10  # pixels; share of the height; pixels


def main(out: Path = Path(__file__).parent / "figures" / "styles.jpg", size: int = 512) -> None:
    """Paint all pairs, as the recipe does by default.

    Args:
        out: The picture to write.
        size: Longer side at which they are painted.
    """
    layers = style_layers("vgg16")
    features = style_features("vgg16", layers.names)
    maps = Maps(in_half_precision(features) if runtime.has_fast_bfloat16() else features, layers)
    cells = []
    for content, style in PAIRS:
        print(content, style, flush=True)
        wanted = painting(style)
        cells.append(with_corner(stylize(CONTENTS[content](), [Wanted(wanted)], maps, How(scales_to(size))), wanted))
    rows = [beside(cells[start : start + 2]) for start in range(0, len(cells), 2)]
    width = min(row.shape[1] for row in rows)
    rows = [cv2.resize(row, (width, round(len(row) * width / row.shape[1])), interpolation=cv2.INTER_AREA) for row in rows]
    sheet = np.concatenate([np.pad(row, ((0, GAP), (0, 0), (0, 0)), constant_values=255) for row in rows])
    Image.fromarray(sheet[:-GAP]).save(out, quality=88)


def with_corner(painted: np.ndarray, style: np.ndarray) -> np.ndarray:
    """A picture of the row's height, its style framed in the lower right corner."""
    picture = cv2.resize(painted, (round(painted.shape[1] * HEIGHT / len(painted)), HEIGHT), interpolation=cv2.INTER_AREA)
    side = round(CORNER * HEIGHT)
    small = cv2.resize(style, (side, side), interpolation=cv2.INTER_AREA)
    corner = np.pad(small, ((3, 0), (3, 0), (0, 0)), constant_values=255)
    picture[-len(corner) :, -corner.shape[1] :] = corner
    return picture


def beside(cells: list[np.ndarray]) -> np.ndarray:
    """Pictures of one height side by side, with a gap."""
    padded = [np.pad(cell, ((0, 0), (0, GAP), (0, 0)), constant_values=255) for cell in cells]
    return np.concatenate(padded, axis=1)[:, :-GAP]


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
