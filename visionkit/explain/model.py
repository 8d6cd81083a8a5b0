"""A model that can be explained: its probe, how it sees an image, and what it answers in words."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.data.images.resize import center_crop, letterbox
from visionkit.errors import UserError
from visionkit.explain.network_graph import NetworkGraph, before_softmax, network_graph
from visionkit.explain.probe import Probe
from visionkit.export.bundle import LUMA, find_bundle, read_metadata
from visionkit.losses.localization import CLASSES
from visionkit.models.catalog import CATALOG, build, find
from visionkit.models.pretrained import HEAD
from visionkit.ops.colors import PADDING

TILE = 256  # pixels a side that a segmenter is shown
NUM_IMAGENET = 1000
Kind = Literal["classes", "boxes", "masks", "features"]  # what is explained


class Target(NamedTuple):
    """What of an image's answer is explained.

    Attributes:
        label: the class; None where the model has none.
        score: as the model answers it: a probability; of features their length.
        weights: of the probe's score, ``(V, ...)``.
        box: of a detector, xyxy in pixels of what the network sees.
    """

    label: str | None
    score: float
    weights: np.ndarray
    box: tuple[float, ...] | None = None


class ExplainedModel:
    """See ``open_explained``.

    Attributes:
        name: of the model, for a page.
        kind: "classes", "boxes", "masks" or "features".
        labels: the classes.
        probe: the network.
    """

    def __init__(
        self, name: str, kind: Kind, labels: tuple[str, ...], network: NetworkGraph, see: Callable[[np.ndarray, int], tf.Tensor]
    ):
        self.name, self.kind, self.labels = name, kind, labels
        explained = {"classes": before_softmax, "masks": before_softmax, "boxes": lambda graph: graph.outputs[1]}.get(kind)
        self.probe = Probe(network, None if explained is None else explained(network))
        self._see = see

    def seen(self, image: np.ndarray) -> np.ndarray:
        """Uint8 RGB ``(H, W, 3)`` as the network sees it: float32 ``(size, size, 3)`` in 0..255."""
        return np.asarray(self._see(image, self.probe.size), np.float32)

    def class_number(self, label: str) -> int:
        """The number of a class.

        Raises:
            UserError: there is none of that name.
        """
        if not self.labels:
            raise UserError(f"--label {label}: {self.name} has no classes; leave --label away.")
        if label not in self.labels:
            nearest = difflib.get_close_matches(label, self.labels, n=1, cutoff=0.0)[0]
            listed = ", ".join(self.labels[:40]) + (", ..." if len(self.labels) > 40 else "")
            raise UserError(f"--label {label}: no such class; did you mean {nearest!r}? Classes: {listed}.")
        return self.labels.index(label)

    def target(self, pixels: np.ndarray, label: str | None = None) -> Target:
        """What is to be explained of an image: the class that the model answers, or the one that is named.

        Args:
            pixels: as ``seen`` gives them.
            label: a class.

        Raises:
            UserError: there is no such class.
        """
        number = None if label is None else self.class_number(label)
        *answers, parts = self.probe.answers(pixels[None])
        return getattr(self, f"_of_{self.kind}")(answers, parts, number)

    def _of_classes(self, answers: list[np.ndarray], parts: np.ndarray, number: int | None) -> Target:
        probabilities = answers[0][0]
        number = int(probabilities.argmax()) if number is None else number
        weights = np.zeros_like(parts)
        weights[:, number] = 1 / len(parts)
        return Target(self.labels[number], float(probabilities[number]), weights)

    def _of_boxes(self, answers: list[np.ndarray], parts: np.ndarray, number: int | None) -> Target:
        """The surest box of the class."""
        boxes, scores = answers[0][0], answers[1][0]
        number = int(scores.max(axis=0).argmax()) if number is None else number
        best = int(scores[:, number].argmax())
        weights = np.zeros_like(parts)
        weights[0, best, number] = 1
        return Target(
            self.labels[number], float(scores[best, number]), weights, tuple((boxes[best] * self.probe.size).tolist())
        )

    def _of_masks(self, answers: list[np.ndarray], parts: np.ndarray, number: int | None) -> Target:
        """The mean over all pixels that are answered with the class, as in https://arxiv.org/abs/2002.11434."""
        probabilities = answers[0][0]
        answered = probabilities.argmax(axis=-1)
        if number is None:
            counts = np.bincount(answered.ravel(), minlength=len(self.labels))
            counts[0] = 0 if self.labels[0] == "background" and counts[1:].any() else counts[0]
            number = int(counts.argmax())
        where = answered == number
        where = where if where.any() else np.ones_like(where)
        weights = np.zeros_like(parts)
        weights[0, ..., number] = where / where.sum()
        return Target(self.labels[number], float(probabilities[..., number][where].mean()), weights)

    def _of_features(self, answers: list[np.ndarray], parts: np.ndarray, number: int | None) -> Target:
        """The length of the features. Its gradient is that of the features' projection on where they point now."""
        lengths = np.linalg.norm(parts, axis=1, keepdims=True)
        return Target(None, float(lengths.mean()), parts / np.maximum(lengths, np.finfo(np.float32).tiny) / len(parts))


def open_explained(model: str, weights: str | None = None) -> ExplainedModel:
    """Open a bundle, or a network of the catalogue.

    Args:
        model: a bundle (``RUN/model``), a run folder, or a network's name.
        weights: of a network; None takes its pretrained ones.

    Raises:
        UserError: there is no such model, it does not see images, or there are no such weights.
    """
    if Path(model).exists() or len(Path(model).parts) > 1:
        if not Path(model).exists():
            raise UserError(f"{model}: no such model; expected RUN/model, RUN, a folder of saved_models/, or a network's name.")
        if weights is not None:
            raise UserError("--weights goes with a network's name; an exported model has its own.")
        return _of_bundle(find_bundle(model))
    return _of_network(find(model), weights)


def _of_bundle(folder: Path) -> ExplainedModel:
    metadata = read_metadata(folder)
    if "input" in metadata and metadata["input"] != "image":
        raise UserError(f"{folder} sees a {metadata['input']}; only models that see images can be looked into.")
    if "members" in metadata:
        raise UserError(f"{folder} is an ensemble of {len(metadata['members'])} models; look into one of those it was made of.")
    loaded = tf.saved_model.load(str(folder))
    task, size = metadata["task"], metadata.get("size", TILE)
    kind = {"classification": "classes", "detection": "boxes", "segmentation": "masks", "localization": "classes"}.get(
        task, "features"
    )
    takes_images = not hasattr(loaded, "serve_pixels") and task == "classification"  # of an older version

    def answer(given):
        if takes_images:
            return loaded.serve_images(given)["probabilities"]
        answered = loaded.serve_tiles(given) if task == "segmentation" else loaded.serve_pixels(given)
        if task == "localization":
            return tf.nn.softmax(answered[:, CLASSES])
        return [answered["boxes"], answered["scores"]] if task == "detection" else answered

    see = (
        _tile
        if task == "segmentation"
        else center_crop
        if task == "classification" and not metadata.get("whole")
        else letterbox
    )
    network = network_graph(answer, size, takes_images=takes_images)
    labels = tuple(metadata["labels"]) if kind != "features" else ()
    return ExplainedModel(str(folder), kind, labels, network, see)


def _of_network(name: str, weights: str | None) -> ExplainedModel:
    weights = weights or _default_weights(name)
    model = None if weights == "hed" else build(name, None, NUM_IMAGENET, weights=weights)
    has_head = model is not None and any(np.any(each) for each in model.get_layer(HEAD).get_weights()[1:])  # biases begin as 0
    model = model if has_head else build(name, None, None, weights=weights)
    is_grey = model.input_shape[-1] == 1

    def answer(pixels):
        answered = model(tf.tensordot(pixels, LUMA, 1)[..., None] if is_grey else pixels, training=False)
        return tf.nn.softmax(answered) if has_head else list(answered.values())

    labels = tuple(f"ImageNet class {number}" for number in range(NUM_IMAGENET)) if has_head else ()
    network = network_graph(answer, CATALOG[name].size)
    return ExplainedModel(f"{name}, weights {weights}", "classes" if has_head else "features", labels, network, center_crop)


def _default_weights(name: str) -> str:
    """Those that were installed with visionkit, if there are some."""
    return "hed" if "hed" in CATALOG[name].weights else "imagenet"


def _tile(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image at its own scale, as a segmenter sees it; gray beyond its border."""
    tile = np.full((side, side, 3), PADDING, np.float32)
    sides = [min(side, length) for length in image.shape[:2]]
    top, left = ((length - part) // 2 for length, part in zip(image.shape[:2], sides, strict=True))
    y, x = ((side - part) // 2 for part in sides)
    tile[y : y + sides[0], x : x + sides[1]] = image[top : top + sides[0], left : left + sides[1]]
    return tile
