"""A bundle of a classifier: a SavedModel that takes raw images and returns classes, with TensorFlow alone.

MODEL/saved_model.pb, variables/, fingerprint.pb     the graph with its weights; in variables/ those too large for a graph
MODEL/assets.extra/bundle.json                       task, labels, size, metrics
MODEL/assets.extra/labels.txt                        one label per line
MODEL/assets.extra/model.tflite                      the LiteRT model, where the network converts: float32 (1, size, size, 3)
                                                     pixels in 0..255, the central window cut and resized, to probabilities

Signals and volumes have ``export_arrays.py``; all are written by ``write_bundle``.
"""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from visionkit.data.images.decode import decode_in_graph
from visionkit.data.images.resize import center_crop, letterbox
from visionkit.export.bundle import LUMA, answers, write_bundle
from visionkit.export.network import Network


class ImageClassifier(tf.Module):
    """A classifier with its pre- and post-processing inside.

    Args:
        model: float32 pixels ``(N, size, size, 3)`` in 0..255 to logits ``(N, num_classes)``.
        class_names: in the order of the logits.
        flips: whether to average the probabilities of each image and of its mirror image.
        half_precision: whether to keep the weights as float16; computations are in float32.
        whole: whether the network sees the whole image, in proportion, instead of its central window.
        multi_label: whether an image may have several classes: each has a score of its own (sigmoid), and they need not sum
            to 1.
    """

    def __init__(
        self,
        model: keras.Model,
        class_names: tuple[str, ...],
        *,
        flips: bool,
        half_precision: bool = False,
        whole: bool = False,
        multi_label: bool = False,
    ):
        super().__init__(name="image_classifier")
        self._network = Network(model, half_precision=half_precision)
        self._size, self._grey = model.input_shape[1], model.input_shape[-1] == 1
        self._flips = flips
        self._to_scores = tf.sigmoid if multi_label else tf.nn.softmax
        self._see = letterbox if whole else center_crop
        self._labels = tf.constant(list(class_names))
        cut = tf.TensorSpec([None, self._size, self._size, 3], tf.float32, name="pixels")
        # The network is traced once: the other functions call this one, and so do ensembles and further views.
        self.serve_pixels = tf.function(self.probabilities, input_signature=[cut], autograph=False)

    def probabilities(self, pixels: tf.Tensor) -> tf.Tensor:
        """Float32 ``(N, size, size, 3)`` in 0..255 to float32 ``(N, num_classes)``."""
        pixels = tf.tensordot(pixels, LUMA, 1)[..., None] if self._grey else pixels

        def forward(images):
            return self._to_scores(self._network.forward(images))

        if not self._flips:
            return forward(pixels)
        plain, mirrored = tf.split(forward(tf.concat([pixels, tf.reverse(pixels, [2])], 0)), 2)  # one graph, not two
        return (plain + mirrored) / 2

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serve_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Images of one size, uint8 RGB ``(N, H, W, 3)``, to

        ``label`` and ``score`` ``(N,)``; ``labels`` and ``scores`` ``(N, num_classes)``, best first;
        ``probabilities`` ``(N, num_classes)`` in the order of labels.txt.
        """
        pixels = tf.map_fn(lambda image: self._see(image, self._size), images, fn_output_signature=tf.float32)
        return answers(self._labels, self.serve_pixels(pixels))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def serve_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded JPEG, PNG, GIF or BMP files ``(N,)``, each of any size, to what ``serve_images`` returns."""
        pixels = tf.map_fn(
            lambda contents: self._see(decode_in_graph(contents), self._size), image_bytes, fn_output_signature=tf.float32
        )
        return answers(self._labels, self.serve_pixels(pixels))


def export_classifier(
    model: keras.Model,
    folder: str | Path,
    *,
    class_names: tuple[str, ...],
    metadata: dict[str, Any],
    flips: bool = False,
    half_precision: bool = False,
    whole: bool = False,
    multi_label: bool = False,
    trained: keras.Model | None = None,
) -> Path:
    """Write a classifier as a bundle, beside and then renamed, so that it appears whole.

    Args:
        model: float32 pixels ``(N, size, size, 3)`` in 0..255 to logits; of grey images ``(N, size, size, 1)``.
        folder: a bundle there is replaced.
        class_names: in the order of the logits.
        metadata: for ``bundle.json``: what a reader of the bundle wants to know, such as the base.
        flips, half_precision, whole, multi_label: see ``ImageClassifier``. ``bundle.json`` of a bundle with several labels an
            image says "multi_label"; ``evaluate.choose_thresholds`` adds the thresholds.
        trained: the network that was trained, which the bundle keeps, if it has outputs that ``model`` lacks.

    Returns:
        the folder.

    Raises:
        UserError: a folder stands there that is no bundle.
    """
    options = {"flips": flips, "half_precision": half_precision, "whole": whole, "multi_label": multi_label}
    module = ImageClassifier(model, class_names, **options)
    several = {"multi_label": True} if multi_label else {}
    size = model.input_shape[1]
    return write_bundle(
        module,
        folder,
        task="classification",
        signatures={"serving_default": module.serve_images, "serving_encoded": module.serve_encoded},
        litert_function=module.probabilities,
        litert_shape=(1, size, size, 3),
        network=trained or model,
        class_names=class_names,
        metadata={"size": size, "flips": flips, "whole": whole, **several, **metadata},
    )
