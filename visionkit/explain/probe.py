"""Ask any part of a network: what its units answer to pixels, and how that changes with the pixels."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.errors import UserError
from visionkit.explain.network_graph import Layer, NetworkGraph, first_convolution, layers_of, part_for, with_one_view

NUM_STAGES = 5  # Zeiler and Fergus' figure shows layers 1 to 5


class Explained(NamedTuple):
    """What a score of one image depends on.

    Attributes:
        score: what was explained.
        pixels: its gradient, float32 ``(H, W, 3)``.
        maps: a layer's activations ``(V, h, w, C)``: of the image, and of its mirror image if the network looks at that, too.
        gradients: those of the score with respect to ``maps``.
    """

    score: float
    pixels: np.ndarray
    maps: np.ndarray
    gradients: np.ndarray


class Probe:
    """A network that can be looked into.

    All pixels are float32 in 0..255, ``(N, size, size, 3)``, where no other side is allowed. A score is a weighted sum of the
    tensor ``explained``: of logits, scores of boxes, or of the mean features of the last layer.

    Args:
        network: its graph.
        explained: the tensor of which scores are made; None takes the last layer's activations, averaged over all places.

    Attributes:
        layers: all that can be looked at, in the network's order.
        first: the first convolution, before its nonlinearity.
        size: side of the images.

    Raises:
        UserError: the network has no convolution whose place in the image is known.
    """

    def __init__(self, network: NetworkGraph, explained: str | None = None):
        self._network, self._single, self._explained = network, with_one_view(network), explained
        self._functions: dict[Any, Callable] = {}
        self._at_side: dict[tuple[str, int], Layer | None] = {}
        self.size = network.size
        self.layers = layers_of(self._single)
        self.first = first_convolution(self._single)
        if not self.layers or self.first is None:
            raise UserError("This network has no layer to look at; expected one with convolutions over images.")

    def stages(self, count: int = NUM_STAGES) -> list[Layer]:
        """Layers from first edges to whole things: the last at each stride, and where those are fewer, others between them."""
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
        """The last layer whose map has places."""
        return next((layer for layer in reversed(self.layers) if max(layer.place.sides) > 1), self.layers[-1])

    def activations(self, pixels: np.ndarray, layers: Sequence[Layer], *, clipped: bool = True) -> list[np.ndarray]:
        """What the units answer.

        Args:
            pixels: ``(N, size, size, 3)``.
            layers: some of ``layers``.
            clipped: behind the nonlinearity; else before it.

        Returns:
            float32 ``(N, h, w, C)`` of each layer.
        """
        names = tuple(layer.activation if clipped else layer.excitation for layer in layers)
        function = self._function(("activations", names), lambda given: self._fetch(self._single, given, names), (None, 3))
        return [values.numpy() for values in function(tf.constant(pixels, tf.float32))]

    def at_side(self, layer: Layer, side: int) -> Layer | None:
        """The same layer in a network for images of another side; None where that cannot be."""
        if (layer.activation, side) not in self._at_side:
            part = self._single._replace(definition=part_for(self._single.definition, [layer.activation]))
            try:
                found = [*layers_of(part, side), first_convolution(part, side)]
            except ValueError:  # TensorFlow's, for shapes that do not fit together
                found = []
            same = [each for each in found if each is not None and each.activation == layer.activation]
            self._at_side[layer.activation, side] = same[0] if same else None
        return self._at_side[layer.activation, side]

    def excitation_gradient(
        self, pixels: np.ndarray, layer: Layer, units: Sequence[int], place: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """How strongly units are excited, before the nonlinearity, and in which direction of the pixels more so.

        Args:
            pixels: ``(N, side, side, 3)``, of any side that ``at_side`` finds the layer at.
            layer: one of ``layers``, or of those that ``at_side`` gave.
            units: channels, one for each of the N.
            place: row and column in the layer's map.

        Returns:
            float32 ``(N,)``, and float32 of the shape of ``pixels``.
        """

        def excited(given, channels, where):
            (values,) = self._fetch(self._single, given, (layer.excitation,))
            numbers = tf.range(tf.shape(given)[0])
            chosen = tf.gather_nd(values, tf.stack([numbers, 0 * numbers + where[0], 0 * numbers + where[1], channels], 1))
            return chosen, tf.gradients(chosen, given)[0]

        key = ("excitation", layer.excitation, pixels.shape[1])
        more = (tf.TensorSpec([None], tf.int32), tf.TensorSpec([2], tf.int32))
        function = self._function(key, excited, (pixels.shape[1], 3), *more)
        arguments = (tf.constant(pixels, tf.float32), tf.constant(units, tf.int32), tf.constant(place, tf.int32))
        values, gradients = function(*arguments)
        return values.numpy(), gradients.numpy()

    def answers(self, pixels: np.ndarray) -> list[np.ndarray]:
        """What the network answers, and last the tensor of which scores are made."""

        def answer(given):
            return [*self._fetch(self._network, given, self._network.outputs), self._score_parts(given)]

        return [values.numpy() for values in self._function("answers", answer, (None, 3))(tf.constant(pixels, tf.float32))]

    def scores(self, pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The same score of several images.

        Args:
            pixels: ``(N, size, size, 3)``.
            weights: of one image's parts, as ``answers`` gives them: ``(V, ...)``.

        Returns:
            float32 ``(N,)``.
        """
        function = self._function("scores", self._scores, (None, 3), tf.TensorSpec(None, tf.float32))
        return function(tf.constant(pixels, tf.float32), tf.constant(weights, tf.float32)).numpy()

    def explain(self, pixels: np.ndarray, weights: np.ndarray, layer: Layer | None = None) -> Explained:
        """What a score depends on.

        Args:
            pixels: of one image, ``(size, size, 3)``.
            weights: see ``scores``.
            layer: one of ``layers``, whose maps are wanted; None takes the deepest.
        """
        layer = layer or self.deepest()

        def explained(given, weights):
            parts, maps = self._parts_and_maps(given, layer.activation)
            score = tf.reduce_sum(parts * weights)
            of_pixels, of_maps = tf.gradients(score, [given, maps], unconnected_gradients="zero")
            return score, of_pixels[0], maps, of_maps

        function = self._function(("explain", layer.activation), explained, (None, 3), tf.TensorSpec(None, tf.float32))
        found = function(tf.constant(pixels[None], tf.float32), tf.constant(weights, tf.float32))
        score, *arrays = (values.numpy() for values in found)
        return Explained(float(score), *arrays)

    def _scores(self, given: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        parts, number = self._score_parts(given), tf.shape(given)[0]
        products = parts * tf.repeat(weights, number, axis=0)  # rows: all images, and then all mirror images
        of_rows = tf.reduce_sum(tf.reshape(products, [tf.shape(products)[0], -1]), 1)
        return tf.reduce_sum(tf.reshape(of_rows, [-1, number]), 0)

    def _score_parts(self, given: tf.Tensor) -> tf.Tensor:
        return self._parts_and_maps(given, self.deepest().activation)[0]

    def _parts_and_maps(self, given: tf.Tensor, activation: str) -> tuple[tf.Tensor, tf.Tensor]:
        if self._explained is None:
            features, maps = self._fetch(self._network, given, (self.deepest().activation, activation))
            return tf.reduce_mean(features, [1, 2]), maps
        return tuple(self._fetch(self._network, given, (self._explained, activation)))

    def _fetch(self, network: NetworkGraph, given: tf.Tensor, names: Sequence[str]) -> list[tf.Tensor]:
        needed = part_for(network.definition, names)
        return tf.graph_util.import_graph_def(needed, network.feed(given), list(names), name="")

    def _function(self, key: Any, compute: Callable, pixels: tuple[int | None, int], *more: tf.TensorSpec) -> Callable:
        if key not in self._functions:
            side = pixels[0] or self.size
            given = tf.TensorSpec([None, side, side, pixels[1]], tf.float32)
            self._functions[key] = tf.function(compute, input_signature=[given, *more], autograph=False)
        return self._functions[key]
