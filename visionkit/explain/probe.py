"""Activations of any layer of a network, and their gradients with respect to the pixels."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.errors import UserError
from visionkit.explain.network_graph import Layer, NetworkGraph, first_convolution, layers_of, part_for, with_one_view

NUM_STAGES = 5  # Zeiler and Fergus' figure shows layers 1 to 5


class Explained(NamedTuple):
    """A score of one image with its gradients.

    Attributes:
        score: the score.
        pixels: gradient of the score with respect to the pixels, float32 ``(H, W, 3)``.
        maps: a layer's activations ``(V, h, w, C)`` for the image, and for its mirror image if the network uses that, too.
        gradients: gradient of the score with respect to ``maps``.
    """

    score: float
    pixels: np.ndarray
    maps: np.ndarray
    gradients: np.ndarray


class Probe:
    """A network whose layers can be read and differentiated.

    All pixels are float32 in 0..255, ``(N, size, size, 3)``, unless another side is allowed. A score is a weighted sum of the
    tensor ``explained``: logits, scores of boxes, or mean features of the last layer.

    Args:
        network: graph of the network.
        explained: name of the tensor that scores are summed from; None takes the last layer's activations, averaged over all
            places.

    Attributes:
        layers: all layers that can be explained, in the network's order.
        first: the first convolution, before its nonlinearity.
        size: side of the images.

    Raises:
        UserError: the network has no convolution with a known receptive field.
    """

    def __init__(self, network: NetworkGraph, explained: str | None = None):
        self._network, self._single, self._explained = network, with_one_view(network), explained
        self._functions: dict[Any, Callable] = {}
        self._at_side: dict[tuple[str, int], Layer | None] = {}
        self.size = network.size
        self.layers = layers_of(self._single)
        self.first = first_convolution(self._single)
        if not self.layers or self.first is None:
            raise UserError("This network has no layer to explain; expected one with convolutions over images.")

    def stages(self, count: int = NUM_STAGES) -> list[Layer]:
        """Choose layers from first edges to whole objects: the last at each stride and, if these are too few, some between."""
        last = {layer.stride: number for number, layer in enumerate(self.layers)}
        chosen = sorted(last.values())
        if len(chosen) > count:
            chosen = [chosen[round(i * (len(chosen) - 1) / (count - 1))] for i in range(count)]
        while len(chosen) < min(count, len(self.layers)):
            ends = [-1, *chosen]
            gap = max(range(len(chosen)), key=lambda i: ends[i + 1] - ends[i])
            if ends[gap + 1] - ends[gap] < 2:
                break
            chosen = sorted([*chosen, (ends[gap] + ends[gap + 1]) // 2 if ends[gap] >= 0 else ends[gap + 1] // 2])
        return [self.layers[number] for number in chosen]

    def deepest(self) -> Layer:
        """The last layer whose map has more than one place."""
        return next((layer for layer in reversed(self.layers) if max(layer.place.sides) > 1), self.layers[-1])

    def activations(self, pixels: np.ndarray, layers: Sequence[Layer], *, clipped: bool = True) -> list[np.ndarray]:
        """Compute the activations of layers.

        Args:
            pixels: ``(N, size, size, 3)``.
            layers: some of ``layers``.
            clipped: whether to return values after the nonlinearity, rather than before it.

        Returns:
            float32 ``(N, h, w, C)`` of each layer.
        """
        names = tuple(layer.activation if clipped else layer.excitation for layer in layers)
        function = self._function(("activations", names), lambda inputs: self._fetch(self._single, inputs, names), (None, 3))
        return [values.numpy() for values in function(tf.constant(pixels, tf.float32))]

    def at_side(self, layer: Layer, side: int) -> Layer | None:
        """The same layer in a network for images of another side; None if the network does not allow that side."""
        if (layer.activation, side) not in self._at_side:
            part = self._single._replace(definition=part_for(self._single.definition, [layer.activation]))
            try:
                layers = [*layers_of(part, side), first_convolution(part, side)]
            except ValueError:  # TensorFlow raises it for shapes that do not match
                layers = []
            same = [other for other in layers if other is not None and other.activation == layer.activation]
            self._at_side[layer.activation, side] = same[0] if same else None
        return self._at_side[layer.activation, side]

    def excitation_gradient(
        self, pixels: np.ndarray, layer: Layer, units: Sequence[int], place: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Compute the excitation of units, before the nonlinearity, and its gradient with respect to the pixels.

        Args:
            pixels: ``(N, side, side, 3)``, of any side that ``at_side`` allows for the layer.
            layer: one of ``layers``, or a result of ``at_side``.
            units: channels, one for each of the N.
            place: row and column in the layer's map.

        Returns:
            excitations, float32 ``(N,)``; and gradients, float32 of the shape of ``pixels``.
        """

        def excitation(inputs, channels, where):
            (values,) = self._fetch(self._single, inputs, (layer.excitation,))
            numbers = tf.range(tf.shape(inputs)[0])
            selected = tf.gather_nd(values, tf.stack([numbers, 0 * numbers + where[0], 0 * numbers + where[1], channels], 1))
            return selected, tf.gradients(selected, inputs)[0]

        key = ("excitation", layer.excitation, pixels.shape[1])
        specs = (tf.TensorSpec([None], tf.int32), tf.TensorSpec([2], tf.int32))
        function = self._function(key, excitation, (pixels.shape[1], 3), *specs)
        arguments = (tf.constant(pixels, tf.float32), tf.constant(units, tf.int32), tf.constant(place, tf.int32))
        values, gradients = function(*arguments)
        return values.numpy(), gradients.numpy()

    def answers(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Outputs of the network, and last the tensor that scores are summed from."""

        def predict(inputs):
            return [*self._fetch(self._network, inputs, self._network.outputs), self._score_parts(inputs)]

        return [values.numpy() for values in self._function("answers", predict, (None, 3))(tf.constant(pixels, tf.float32))]

    def scores(self, pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Compute one score for several images.

        Args:
            pixels: ``(N, size, size, 3)``.
            weights: weights of the last tensor of ``answers`` for one image, ``(V, ...)``.

        Returns:
            float32 ``(N,)``.
        """
        function = self._function("scores", self._scores, (None, 3), tf.TensorSpec(None, tf.float32))
        return function(tf.constant(pixels, tf.float32), tf.constant(weights, tf.float32)).numpy()

    def explain(self, pixels: np.ndarray, weights: np.ndarray, layer: Layer | None = None) -> Explained:
        """Compute a score of one image and its gradients.

        Args:
            pixels: one image, ``(size, size, 3)``.
            weights: see ``scores``.
            layer: layer whose maps and gradients are returned; None takes the deepest.
        """
        layer = layer or self.deepest()

        def score_and_gradients(inputs, weights):
            parts, maps = self._parts_and_maps(inputs, layer.activation)
            score = tf.reduce_sum(parts * weights)
            pixel_gradients, map_gradients = tf.gradients(score, [inputs, maps], unconnected_gradients="zero")
            return score, pixel_gradients[0], maps, map_gradients

        key = ("explain", layer.activation)
        function = self._function(key, score_and_gradients, (None, 3), tf.TensorSpec(None, tf.float32))
        results = function(tf.constant(pixels[None], tf.float32), tf.constant(weights, tf.float32))
        score, *arrays = (values.numpy() for values in results)
        return Explained(float(score), *arrays)

    def _scores(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        parts, number = self._score_parts(inputs), tf.shape(inputs)[0]
        products = parts * tf.repeat(weights, number, axis=0)  # rows: all images, and then all mirror images
        row_scores = tf.reduce_sum(tf.reshape(products, [tf.shape(products)[0], -1]), 1)
        return tf.reduce_sum(tf.reshape(row_scores, [-1, number]), 0)

    def _score_parts(self, inputs: tf.Tensor) -> tf.Tensor:
        return self._parts_and_maps(inputs, self.deepest().activation)[0]

    def _parts_and_maps(self, inputs: tf.Tensor, activation: str) -> tuple[tf.Tensor, tf.Tensor]:
        if self._explained is None:
            features, maps = self._fetch(self._network, inputs, (self.deepest().activation, activation))
            return tf.reduce_mean(features, [1, 2]), maps
        return tuple(self._fetch(self._network, inputs, (self._explained, activation)))

    def _fetch(self, network: NetworkGraph, inputs: tf.Tensor, names: Sequence[str]) -> list[tf.Tensor]:
        needed = part_for(network.definition, names)
        return tf.graph_util.import_graph_def(needed, network.feed(inputs), list(names), name="")

    def _function(self, key: Any, compute: Callable, pixels: tuple[int | None, int], *more: tf.TensorSpec) -> Callable:
        if key not in self._functions:
            side = pixels[0] or self.size
            spec = tf.TensorSpec([None, side, side, pixels[1]], tf.float32)
            self._functions[key] = tf.function(compute, input_signature=[spec, *more], autograph=False)
        return self._functions[key]
