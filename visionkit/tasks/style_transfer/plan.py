"""What is decided before an image is painted, or a network that paints is trained: which images, how large, what colors."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from visionkit.data.demo.style_images import CONTENTS, STYLES, painting
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.listing import list_images
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.splits import WHOLE, DataSet, Splits, train_and_val
from visionkit.errors import UserError
from visionkit.models.style_features import StyleLayers
from visionkit.models.style_network import MULTIPLE
from visionkit.ops.color_transfer import match_colors, match_luminance, with_colors_of
from visionkit.tasks.style_transfer.descent import Wanted
from visionkit.training.dataset import note_skipped
from visionkit.training.recipe import Story

Colors = Literal["style", "luminance", "histogram"]
SMALLEST = 16  # pixels of the longer side of a result
LARGEST = 512  # the same, where no other is asked for
BUILT_IN = "strokes"  # the style where none is named
RATIO = 0.02  # by which a mask's proportions may differ from the image's


class Inputs(NamedTuple):
    """The images of a run.

    Attributes:
        content: uint8 ``(H, W, 3)``.
        styles: name -> uint8 ``(h, w, 3)``.
        shares: of the styles; they sum to 1 where there are no masks.
        masks: where each is wanted, float32 ``(H, W)``, 0 to 1; empty where all are wanted everywhere.
    """

    content: np.ndarray
    styles: dict[str, np.ndarray]
    shares: tuple[float, ...]
    masks: tuple[np.ndarray, ...]

    def wanted(self, colors: Colors) -> list[Wanted]:
        """The styles as they are asked for, in the colors that they are to have."""
        recolored = {"style": lambda style: style, "luminance": lambda style: match_luminance(style, self.content)}
        recolored["histogram"] = lambda style: match_colors(style, self.content)
        masks = self.masks or (None,) * len(self.styles)
        images = [recolored[colors](style) for style in self.styles.values()]
        return [Wanted(*each) for each in zip(images, self.shares, masks, strict=True)]

    def seen_content(self, colors: Colors) -> np.ndarray:
        """The content as it is painted: grey where only the luminance is to change."""
        return match_luminance(self.content, self.content) if colors == "luminance" else self.content

    def finished(self, painted: np.ndarray, content: np.ndarray, colors: Colors) -> np.ndarray:
        """A painted image in its final colors; ``content`` has its size, both uint8."""
        return with_colors_of(painted, content) if colors == "luminance" else painted


def read_inputs(images: Sequence[str], shares: Sequence[float], masks: Sequence[str]) -> Inputs:
    """Read the content image, the styles and the masks.

    Args:
        images: content, then styles: files, or names of built-in ones; no styles take ``BUILT_IN``.
        shares: one a style; empty for equal ones.
        masks: one a style, or none: white where it is wanted.

    Raises:
        UserError: a file that cannot be read, or numbers of shares or masks that do not fit.
    """
    content = read_or_tell(images[0], "content")
    named = list(images[1:]) or [BUILT_IN]
    if shares and not (len(shares) == len(named) and min(shares) >= 0 and 0 < sum(shares) < math.inf):
        raise UserError(
            f"--shares {' '.join(f'{share:g}' for share in shares)}: expected {len(named)} numbers, one a style, none below 0."
        )
    if masks and len(masks) != len(named):
        raise UserError(f"--masks names {len(masks)} files: expected one for each of {len(named)} styles, in their order.")
    read = tuple(_mask(each, content.shape[:2]) for each in masks)
    styles = {name: read_or_tell(each, "style") for name, each in zip(_names(named), named, strict=True)}
    weights = np.array(shares or [1.0] * len(named), float)
    weights = weights if masks else weights / weights.sum()
    return Inputs(content, styles, tuple(weights.tolist()), read)


def read_or_tell(name: str, what: str) -> np.ndarray:
    """An image, uint8 ``(H, W, 3)``, of a file or a built-in one.

    Raises:
        UserError: it cannot be read.
    """
    if is_built_in(name):
        return CONTENTS[name]() if name in CONTENTS else painting(name)
    try:
        return read_image(name)
    except ImageError as error:
        known = ", ".join([*CONTENTS, *STYLES])
        raise UserError(f"The {what} {name} cannot be read: {error}. Expected an image file, or one of {known}.") from error


def is_built_in(name: str) -> bool:
    """Whether it is the name of a built-in image, and of no file."""
    return name in (*CONTENTS, *STYLES) and not Path(name).is_file()


def _names(files: Sequence[str]) -> list[str]:
    """Names of styles after their files, each once."""
    names: list[str] = []
    for file in files:
        stem = Path(file).stem
        free = (name for name in (stem, *(f"{stem}-{number}" for number in range(2, len(files) + 2))) if name not in names)
        names.append(next(free))
    return names


def _mask(name: str, size: tuple[int, int]) -> np.ndarray:
    mask = read_or_tell(name, "mask").mean(axis=2).astype(np.float32) / 255
    ratio = mask.shape[1] / mask.shape[0] * size[0] / size[1]
    if abs(ratio - 1) > RATIO and max(abs(mask.shape[0] - size[0]), abs(mask.shape[1] - size[1])) > 1:
        raise UserError(
            f"The mask {name} has {mask.shape[1]} x {mask.shape[0]} pixels, the content image {size[1]} x {size[0]}: "
            "expected the same proportions."
        )
    if mask.max() == 0:
        raise UserError(f"The mask {name} is black: its style is wanted nowhere. Paint white where it is wanted.")
    return mask


def layers_of(usual: StyleLayers, content: str | None, style: Sequence[str]) -> StyleLayers:
    """The layers that are compared: the usual ones, or those that are asked for.

    Args:
        usual: of the network.
        content: a layer or a stride; None takes the usual one.
        style: ``name=share`` or ``name`` of each layer; empty takes the usual ones.

    Raises:
        UserError: a share that is no number above 0.
    """
    asked = {}
    for each in style:
        name, _, share = each.partition("=")
        try:
            asked[name] = float(share or 1)
        except ValueError:
            asked[name] = -1.0
        if not asked[name] > 0:
            raise UserError(f"--style-layers {each}: expected a layer and how much it counts, such as block3_conv1=0.5.")
    shares = {name: share / sum(asked.values()) for name, share in asked.items()} or usual.style
    return StyleLayers(content or usual.content, shares)


def check_trainable(masks: Sequence[str], colors: Colors, window: int) -> None:
    """Raise a ``UserError`` for what a network cannot learn: it paints any image, and knows no mask and no other's colors."""
    if window % MULTIPLE:
        raise UserError(f"--window {window}: expected a multiple of {MULTIPLE}, such as {window // MULTIPLE * MULTIPLE}.")
    if masks:
        raise UserError("--masks holds for one image, and --data trains a network for any: do one after the other.")
    if colors == "luminance":
        raise UserError("--colors luminance is for painting one image; with --data take style or histogram.")


def whole_path(name: str) -> str:
    """The path of a file, whole; the name of a built-in image as it is."""
    return name if is_built_in(name) else str(Path(name).resolve())


def choose_size(content: np.ndarray) -> int:
    """The longer side of the result: the content image's own, up to ``LARGEST``, for more costs time."""
    return min(max(*content.shape[:2], SMALLEST), LARGEST)


def read_folder(folder: str, seed: int) -> Splits:
    """All images below a folder, some of them held out; nothing is asked of their names.

    Raises:
        UserError: there are fewer than two.
    """
    if not Path(folder).is_dir():
        raise UserError(f"--data {folder}: no such folder. Expected a folder of photographs.")
    files = tuple(str(path) for path in list_images(Path(folder))[0])
    if len(files) < 2:
        raise UserError(f"--data {folder} holds {len(files)} images: expected two at least, and a few hundred to learn from.")
    return train_and_val(DataSet({WHOLE: Index((), files, np.full(len(files), -1, np.int32))}), seed=seed)


def usable(splits: Splits, folder: str, skipped: SkippedFiles, story: Story) -> Splits:
    """Open each image once, leave out what cannot be read, and say so."""
    scanned = splits.map(lambda index, name: scan(index, skipped, description=f"checking {name} images"))
    story.tell(f"{len(scanned.train)} images to learn from and {len(scanned.val)} others to measure on, in {folder}.")
    note_skipped(scanned.notes, scanned.problems, skipped, story)
    return scanned
