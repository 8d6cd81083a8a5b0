"""A model to explain: its probe, its preprocessing and its prediction."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.data.images.resize import center_crop
from visionkit.errors import UserError
from visionkit.explain.network_graph import NetworkGraph, before_scores, before_softmax, network_graph
from visionkit.explain.probe import Probe
from visionkit.export.bundle import LUMA
from visionkit.files import home_expanded
from visionkit.inference.predictor import Kind
from visionkit.models.catalog import CATALOG, build, find
from visionkit.models.pretrained import HEAD
from visionkit.tasks import load

NUM_IMAGENET = 1000


class Target(NamedTuple):
    """The part of a prediction that is explained.

    Attributes:
        label: the class; None if the model has no classes.
        score: predicted probability or score; for features, their length.
        weights: weights of the probe's score, ``(V, ...)``.
        box: box of a detector, xyxy in pixels of the network's input.
    """

    label: str | None
    score: float
    weights: np.ndarray
    box: tuple[float, ...] | None = None


class ExplainedModel:
    """A model to explain, from ``open_explained``.

    Attributes:
        name: name of the model, for a page.
        kind: "classes", "boxes", "masks" or "features".
        labels: names of the classes.
        probe: probe of the network.
    """

    def __init__(
        self, name: str, kind: Kind, labels: tuple[str, ...], network: NetworkGraph, see: Callable[[np.ndarray, int], tf.Tensor]
    ):
        self.name, self.kind, self.labels = name, kind, labels
        scored_tensor = {"classes": before_scores, "masks": before_softmax, "boxes": lambda graph: graph.outputs[1]}.get(kind)
        self.probe = Probe(network, None if scored_tensor is None else scored_tensor(network))
        self._see = see

    def seen(self, image: np.ndarray) -> np.ndarray:
        """Preprocess an image, uint8 RGB ``(H, W, 3)``, to the network's input, float32 ``(size, size, 3)`` in 0..255."""
        return np.asarray(self._see(image, self.probe.size), np.float32)

    def class_number(self, label: str) -> int:
        """The number of a class.

        Raises:
            UserError: there is no class of that name.
        """
        if not self.labels:
            raise UserError(f"--label {label}: {self.name} has no classes; omit --label.")
        if label not in self.labels:
            nearest = difflib.get_close_matches(label, self.labels, n=1, cutoff=0.0)[0]
            listed = ", ".join(self.labels[:40]) + (", ..." if len(self.labels) > 40 else "")
            raise UserError(f"--label {label}: no such class; did you mean {nearest!r}? Classes: {listed}.")
        return self.labels.index(label)

    def target(self, pixels: np.ndarray, label: str | None = None) -> Target:
        """Choose what to explain for an image.

        Args:
            pixels: a preprocessed image, from ``seen``.
            label: class to explain; None takes the predicted one.

        Raises:
            UserError: there is no such class.
        """
        number = None if label is None else self.class_number(label)
        *outputs, parts = self.probe.answers(pixels[None])
        choose = {"classes": self._choose_class, "boxes": self._choose_box, "masks": self._choose_region}.get(self.kind)
        return _choose_features(parts) if choose is None else choose(outputs, parts, number)

    def _choose_class(self, outputs: list[np.ndarray], parts: np.ndarray, number: int | None) -> Target:
        probabilities = outputs[0][0]
        number = int(probabilities.argmax()) if number is None else number
        weights = np.zeros_like(parts)
        weights[:, number] = 1 / len(parts)
        return Target(self.labels[number], float(probabilities[number]), weights)

    def _choose_box(self, outputs: list[np.ndarray], parts: np.ndarray, number: int | None) -> Target:
        """The box with the highest score of the class."""
        boxes, scores = outputs[0][0], outputs[1][0]
        number = int(scores.max(axis=0).argmax()) if number is None else number
        best = int(scores[:, number].argmax())
        weights = np.zeros_like(parts)
        weights[0, best, number] = 1
        return Target(
            self.labels[number], float(scores[best, number]), weights, tuple((boxes[best] * self.probe.size).tolist())
        )

    def _choose_region(self, outputs: list[np.ndarray], parts: np.ndarray, number: int | None) -> Target:
        """The mean over all pixels that are predicted as the class, as in https://arxiv.org/abs/2002.11434."""
        probabilities = outputs[0][0]
        predicted = probabilities.argmax(axis=-1)
        if number is None:
            counts = np.bincount(predicted.ravel(), minlength=len(self.labels))
            counts[0] = 0 if self.labels[0] == "background" and counts[1:].any() else counts[0]
            number = int(counts.argmax())
        where = predicted == number
        where = where if where.any() else np.ones_like(where)
        weights = np.zeros_like(parts)
        weights[0, ..., number] = where / where.sum()
        return Target(self.labels[number], float(probabilities[..., number][where].mean()), weights)


def _choose_features(parts: np.ndarray) -> Target:
    """The length of the features. Its gradient is that of their projection on their present direction."""
    lengths = np.linalg.norm(parts, axis=1, keepdims=True)
    return Target(None, float(lengths.mean()), parts / np.maximum(lengths, np.finfo(np.float32).tiny) / len(parts))


def open_explained(model: str, weights: str | None = None, *, trust: bool = False) -> ExplainedModel:
    """Open a bundle, or a network of the catalogue.

    Args:
        model: a bundle (``RUN/model``), a run folder, or a network's name.
        weights: weights of a network; None takes its pretrained ones.
        trust: of a bundle; see ``visionkit.load``.

    Raises:
        UserError: the model or the weights do not exist, or the model does not take images.
    """
    path = Path(home_expanded(model))
    if path.exists() or len(path.parts) > 1:
        if not path.exists():
            raise UserError(f"{model}: no such model; expected RUN/model, RUN, a folder of saved_models/, or a network's name.")
        if weights is not None:
            raise UserError("--weights goes with a network's name; an exported model has its own.")
        return _open_bundle(model, trust)
    return _open_network(find(model), weights)


def _open_bundle(path: str, trust: bool) -> ExplainedModel:
    predictor = load(path, trust=trust)
    explained = predictor.explained()
    if explained is None:
        kind = predictor.metadata.get("input", "image")
        raise UserError(f"{path} takes a {kind}; only models that take images can be explained.")
    network = network_graph(explained.outputs, explained.size, takes_images=explained.takes_images)
    return ExplainedModel(str(predictor.folder), explained.kind, explained.labels, network, explained.see)


def _open_network(name: str, weights: str | None) -> ExplainedModel:
    weights = weights or _default_weights(name)
    model = None if weights == "hed" else build(name, None, NUM_IMAGENET, weights=weights)
    has_head = model is not None and any(
        np.any(bias) for bias in model.get_layer(HEAD).get_weights()[1:]
    )  # untrained biases are 0
    model = model if has_head else build(name, None, None, weights=weights)
    is_grey = model.input_shape[-1] == 1

    def predict(pixels):
        outputs = model(tf.tensordot(pixels, LUMA, 1)[..., None] if is_grey else pixels, training=False)
        return tf.nn.softmax(outputs) if has_head else list(outputs.values())

    labels = tuple(f"ImageNet class {number}" for number in range(NUM_IMAGENET)) if has_head else ()
    network = network_graph(predict, CATALOG[name].size)
    return ExplainedModel(f"{name}, weights {weights}", "classes" if has_head else "features", labels, network, center_crop)


def _default_weights(name: str) -> str:
    """The weights that are installed with visionkit, if there are any; else those for ImageNet."""
    return "hed" if "hed" in CATALOG[name].weights else "imagenet"
