"""What the training of a stylizer compared, as its ``bundle.json`` keeps it: the layers, and which styles are built-in."""

from typing import Any, NamedTuple

from visionkit.data.demo.style_images import STYLES
from visionkit.models.style_features import DEFAULT_WEIGHTS, StyleLayers, style_layers
from visionkit.tasks.style_transfer.plan import is_built_in

NAME = "compared"  # in bundle.json
KNOWN_WEIGHTS = (None, *set(DEFAULT_WEIGHTS.values()))  # others are files, which a bundle does not hold


class Compared(NamedTuple):
    """What images are compared by.

    Attributes:
        layers: of the network.
        weights: of the network; None for its default ones.
        pooling: of a VGG.
        style_size: the longer side of the styles relative to the image.
        styles: the built-in painting of each style; None where it was a file.
        note: a sentence on what was not known; or "".
    """

    layers: StyleLayers
    weights: str | None
    pooling: str
    style_size: float
    styles: tuple[str | None, ...]
    note: str = ""


def described(
    layers: StyleLayers, *, weights: str | None, pooling: str, style_size: float, styles: tuple[str, ...]
) -> dict[str, Any]:
    """For the metadata of a bundle.

    Args:
        layers: that were compared.
        weights: of the network: None, a name or a file.
        pooling: of a VGG.
        style_size: the longer side of the styles relative to the image.
        styles: files, or names of built-in images.
    """
    kept = {"content_layer": layers.content, "style_layers": layers.style, "pooling": pooling, "style_size": style_size}
    named = [name if is_built_in(name) else None for name in styles]
    return {NAME: kept | {"weights": weights if weights in KNOWN_WEIGHTS else "a file", "styles": named}}


def read(metadata: dict[str, Any]) -> Compared | None:
    """What a bundle says that its training compared; None where that is not known here, such as weights of a file.

    Bundles of earlier versions say nothing: they are taken to have compared the default layers, and a style with the name of a
    built-in painting is taken for it.
    """
    base, labels, kept = metadata.get("base"), metadata.get("labels"), metadata.get(NAME)
    if kept is None and isinstance(base, str):
        note = "an earlier version exported the model: the losses are those of the default layers, of built-in styles by name"
        styles = tuple(label if label in STYLES else None for label in labels)
        return Compared(style_layers(base), None, "max", 1.0, styles, note)
    try:
        shares = {str(name): float(share) for name, share in kept["style_layers"].items()}
        styles = tuple(name if name in STYLES else None for name in kept["styles"])
        compared = Compared(
            StyleLayers(str(kept["content_layer"]), shares), kept["weights"], kept["pooling"], float(kept["style_size"]), styles
        )
    except (TypeError, ValueError, KeyError, AttributeError):  # damaged
        return None
    is_known = (
        compared.weights in KNOWN_WEIGHTS and compared.pooling in ("max", "average") and 0.05 <= compared.style_size <= 20
    )
    return compared if is_known and shares and len(styles) == len(labels) else None
