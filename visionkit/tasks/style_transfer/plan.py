"""Choices before an image is painted or a network is trained: images, size, colors, layers, photographs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from visionkit.data.demo.style_images import CONTENTS, STYLES, painting
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.listing import list_images
from visionkit.data.index import Index
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet, Splits, train_and_val
from visionkit.errors import UserError
from visionkit.models.style_features import StyleLayers, in_half_precision, style_features
from visionkit.models.style_network import MULTIPLE
from visionkit.ops.color_transfer import match_colors, match_luminance, with_colors_of
from visionkit.tasks.style_transfer.descent import StyleImage
from visionkit.tasks.style_transfer.objective import FeatureExtractor
from visionkit.training import runtime
from visionkit.training.config import RunConfig
from visionkit.training.dataset import first_images, read_splits
from visionkit.training.run_folder import PLAN, RunFolder

Colors = Literal["style", "luminance", "histogram"]
SMALLEST = 16  # smallest longer side of a result in pixels
LARGEST = 512  # its default at most
DEFAULT_CONTENT, DEFAULT_STYLE = "temple", "strokes"  # built-in images
RATIO_TOLERANCE = 0.02  # by which a mask's aspect ratio may differ from the image's
NUM_VALIDATION = 16  # photographs that the network is measured on
SMOKE_IMAGES = {"training": 8, "validation": 2}


class Inputs(NamedTuple):
    """The images of a run.

    Attributes:
        content: the content image, uint8 ``(H, W, 3)``.
        styles: name -> style image, uint8 ``(h, w, 3)``.
        shares: weight of each style; they sum to 1 unless there are masks.
        masks: where each style is applied, float32 ``(H, W)``, 0 to 1; empty to apply all of them everywhere.
    """

    content: np.ndarray
    styles: dict[str, np.ndarray]
    shares: tuple[float, ...]
    masks: tuple[np.ndarray, ...]

    def style_images(self, colors: Colors) -> list[StyleImage]:
        """The styles to apply, recolored as ``colors`` asks."""
        recolor = {
            "style": lambda style: style,
            "luminance": lambda style: match_luminance(style, self.content),
            "histogram": lambda style: match_colors(style, self.content),
        }[colors]
        masks = self.masks or (None,) * len(self.styles)
        images = [recolor(style) for style in self.styles.values()]
        return [StyleImage(*values) for values in zip(images, self.shares, masks, strict=True)]

    def content_to_paint(self, colors: Colors) -> np.ndarray:
        """The content image as the descent starts with it: grey if only the luminance is to change."""
        return match_luminance(self.content, self.content) if colors == "luminance" else self.content

    def restore_colors(self, painted: np.ndarray, content: np.ndarray, colors: Colors) -> np.ndarray:
        """A painted image in its final colors; ``content`` is the content image at its size, both uint8."""
        return with_colors_of(painted, content) if colors == "luminance" else painted


def read_inputs(images: Sequence[str], shares: Sequence[float], masks: Sequence[str]) -> Inputs:
    """Read the content image, the styles and the masks.

    Args:
        images: the content image, then the styles: files, or names of built-in images. The defaults are built-in ones.
        shares: one for each style; empty for equal shares.
        masks: one for each style, white where it is applied; or empty.

    Raises:
        UserError: a file cannot be read, or the number of shares or masks does not fit.
    """
    content_name, *style_names = images or (DEFAULT_CONTENT,)
    style_names = style_names or [DEFAULT_STYLE]
    content = read_named(content_name, "content")
    if shares and not (len(shares) == len(style_names) and min(shares) >= 0 and 0 < sum(shares) < math.inf):
        raise UserError(
            f"--shares {' '.join(f'{share:g}' for share in shares)}: expected {len(style_names)} numbers, one for each style, "
            "none below 0."
        )
    if masks and len(masks) != len(style_names):
        raise UserError(
            f"--masks names {len(masks)} files: expected one for each of {len(style_names)} styles, in their order."
        )
    mask_values = tuple(_read_mask(name, content.shape[:2]) for name in masks)
    styles = {unique: read_named(name, "style") for unique, name in zip(_unique_names(style_names), style_names, strict=True)}
    values = np.array(shares or [1.0] * len(style_names), float)
    values = values if masks else values / values.sum()
    return Inputs(content, styles, tuple(values.tolist()), mask_values)


def read_named(name: str, role: str) -> np.ndarray:
    """Read an image file or a built-in image, uint8 ``(H, W, 3)``.

    Args:
        name: the file, or the name of a built-in image.
        role: what the image is for, in an error.

    Raises:
        UserError: it cannot be read.
    """
    if is_built_in(name):
        return CONTENTS[name]() if name in CONTENTS else painting(name)
    try:
        return read_image(name)
    except ImageError as error:
        built_in = ", ".join([*CONTENTS, *STYLES])
        raise UserError(f"The {role} {name} cannot be read: {error}. Expected an image file, or one of {built_in}.") from error


def is_built_in(name: str) -> bool:
    """Whether this is the name of a built-in image, and of no file."""
    return name in (*CONTENTS, *STYLES) and not Path(name).is_file()


def _unique_names(files: Sequence[str]) -> list[str]:
    """A name for each style after its file, with a number where two files share a name."""
    names: list[str] = []
    for file in files:
        stem = Path(file).stem
        candidates = (stem, *(f"{stem}-{number}" for number in range(2, len(files) + 2)))
        names.append(next(name for name in candidates if name not in names))
    return names


def _read_mask(name: str, size: tuple[int, int]) -> np.ndarray:
    mask = read_named(name, "mask").mean(axis=2).astype(np.float32) / 255
    ratio = mask.shape[1] / mask.shape[0] * size[0] / size[1]
    if abs(ratio - 1) > RATIO_TOLERANCE and max(abs(mask.shape[0] - size[0]), abs(mask.shape[1] - size[1])) > 1:
        raise UserError(
            f"The mask {name} has {mask.shape[1]} x {mask.shape[0]} pixels, the content image {size[1]} x {size[0]}: "
            "expected the same proportions."
        )
    if mask.max() == 0:
        raise UserError(f"The mask {name} is black, so its style would be applied nowhere. Paint white where it is wanted.")
    return mask


def choose_size(content: np.ndarray) -> int:
    """The longer side of the result: the content image's own, up to ``LARGEST``, because more takes longer."""
    return min(max(*content.shape[:2], SMALLEST), LARGEST)


def choose_layers(default: StyleLayers, content: str | None, style: Sequence[str]) -> StyleLayers:
    """The layers to compare: the defaults, or the requested ones.

    Args:
        default: the defaults of the network.
        content: a layer or a stride; None takes the default.
        style: ``name=share`` or ``name`` of each layer; empty takes the defaults.

    Raises:
        UserError: a share is not a number above 0.
    """
    requested = {}
    for text in style:
        name, _, share = text.partition("=")
        try:
            requested[name] = float(share or 1)
        except ValueError:
            requested[name] = -1.0
        if not requested[name] > 0:
            raise UserError(f"--style-layers {text}: expected a layer and how much it counts, such as block3_conv1=0.5.")
    shares = {name: share / sum(requested.values()) for name, share in requested.items()} or default.style
    return StyleLayers(content or default.content, shares)


def computes_in_half(precision: Literal["auto", "float32", "bfloat16"]) -> bool:
    """Whether to paint and to train in bfloat16; "auto" does if the processor is made for it."""
    return precision == "bfloat16" or (precision == "auto" and runtime.has_fast_bfloat16())


def build_extractors(
    base: str, layers: StyleLayers, *, weights: str | None, pooling: str, half_precision: bool
) -> tuple[FeatureExtractor, FeatureExtractor]:
    """The feature extractor in float32, and the one to paint and train with: the same, or another in bfloat16.

    Raises:
        UserError: there is no such layer, or there are no weights.
    """

    def build() -> FeatureExtractor:
        return FeatureExtractor(style_features(base, layers.names, weights=weights, pooling=pooling), layers)

    exact = build()
    if not half_precision:
        return exact, exact
    extractor = build()
    in_half_precision(extractor.network)
    return exact, extractor


def check_trainable(masks: Sequence[str], colors: Colors, window: int) -> None:
    """Check the options of a run that trains a network.

    Raises:
        UserError: a window that the network cannot take, or masks or colors that belong to a single image.
    """
    if window % MULTIPLE:
        raise UserError(f"--window {window}: expected a multiple of {MULTIPLE}, such as {window // MULTIPLE * MULTIPLE}.")
    if masks:
        raise UserError("--masks is for a single image, and --data trains a network for any: do one after the other.")
    if colors == "luminance":
        raise UserError("--colors luminance is for painting one image; with --data take style or histogram.")


def read_folder(folder: str, seed: int) -> Splits:
    """All images below a folder, some of them held out; their names do not matter.

    Raises:
        UserError: there are fewer than two.
    """
    if not Path(folder).is_dir():
        raise UserError(f"--data {folder}: no such folder. Expected a folder of photographs.")
    files = tuple(str(path) for path in list_images(Path(folder))[0])
    if len(files) < 2:
        raise UserError(f"--data {folder} holds {len(files)} images: expected two at least, and a few hundred to learn from.")
    return train_and_val(DataSet({WHOLE: Index((), files, np.full(len(files), -1, np.int32))}), seed=seed)


def open_data(run: RunFolder, config: RunConfig) -> Splits | None:
    """The photographs that a network is trained on, each opened once; None if no network is trained.

    Raises:
        UserError: there are too few photographs, or none can be read.
    """
    if config.data is None:
        run.write_json(PLAN, {})
        return None

    def read() -> Splits:
        splits = read_folder(config.data, config.seed)
        return first_images(splits, SMOKE_IMAGES if config.smoke else used(splits))

    def used(splits: Splits) -> dict[str, int]:
        return {"training": len(splits.train), "validation": NUM_VALIDATION}

    def validate(scanned: Splits) -> tuple[Splits, str]:
        splits = first_images(scanned, used(scanned))  # the plans of older runs hold all images
        count = f"{len(splits.train)} images to learn from and {len(splits.val)} others to measure on"
        return splits, f"{count}, in {config.data}."

    return read_splits(run, read, validate)
