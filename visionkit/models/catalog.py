"""The catalogue: every network by name."""

import difflib
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.models import efficientnet, inception, inception_resnet, lenet, nin, resnet, squeezenet, vgg
from visionkit.models.alexnet import SIZE as ALEXNET_SIZE
from visionkit.models.alexnet import alexnet
from visionkit.models.lenet import lenet5
from visionkit.models.mobilenet import SIZE, mobilenet, mobilenet_v2
from visionkit.models.pretrained import PEERS


class Entry(NamedTuple):
    """One network.

    Attributes:
        builder: ``builder(input_shape, num_classes, *, weights)``.
        size: side in pixels of the square input it was published with.
        weights: what the ``weights`` argument of the builder accepts besides None and a path.
        needs_network: whether these weights are downloaded; otherwise they are installed with visionkit, as "hed" is.
    """

    builder: Callable[..., keras.Model]
    size: int
    weights: tuple[str, ...]
    needs_network: bool


def _entry(name: str, builder: Callable[..., keras.Model], size: int) -> Entry:
    weights = ("imagenet",) if name in PEERS or name == "efficientnet_lite0" else ()
    weights += ("hed",) if name == "vgg16" else ()
    return Entry(builder, size, weights, name in PEERS)


CATALOG: dict[str, Entry] = {
    name: _entry(name, builder, size)
    for name, builder, size in (
        ("lenet5", lenet5, lenet.SIZE),
        ("alexnet", alexnet, ALEXNET_SIZE),
        *((name, partial(vgg.vgg, name), vgg.SIZE) for name in vgg.VARIANTS),
        *((name, partial(nin.nin, variant=name), size) for name, size in nin.SIZES.items()),
        ("googlenet", inception.googlenet, inception.SIZE),
        *((name, partial(resnet.resnet, name), variant.size) for name, variant in resnet.VARIANTS.items()),
        ("inception_resnet_v1", inception_resnet.inception_resnet_v1, inception_resnet.SIZE),
        *((name, partial(squeezenet.squeezenet, variant=name), squeezenet.SIZE) for name in squeezenet.VARIANTS),
        ("mobilenet", mobilenet, SIZE),
        ("mobilenet_v2", mobilenet_v2, SIZE),
        *((name, partial(efficientnet.efficientnet, name), variant.size) for name, variant in efficientnet.VARIANTS.items()),
    )
}


def find(name: str) -> str:
    """The catalogue's spelling of ``name``; case, dashes and underscores do not matter ("EfficientNet-B0").

    Raises:
        UserError: no such network; the message lists the valid names and the nearest.
    """
    spelled = {_letters(known): known for known in CATALOG}
    if _letters(name) in spelled:
        return spelled[_letters(name)]
    nearest = difflib.get_close_matches(_letters(name), spelled, n=1, cutoff=0.0)
    raise UserError(f"Unknown network {name!r}; did you mean {spelled[nearest[0]]!r}? Networks: {', '.join(sorted(CATALOG))}.")


def build(
    name: str,
    input_shape: tuple[int | None, ...] | None = None,
    num_classes: int | None = 1000,
    *,
    weights: str | None = None,
) -> keras.Model:
    """Build a network by name; its builder documents what it returns.

    Args:
        name: a name of the catalogue.
        input_shape: ``(height, width, channels)``; None takes the published shape.
        num_classes: outputs of the classifier; None builds a backbone whose outputs are named by stride.
        weights: None, "imagenet", or a path.

    Raises:
        UserError: no such network.
    """
    return CATALOG[find(name)].builder(input_shape, num_classes, weights=weights)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
