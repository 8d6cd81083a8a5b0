"""One bundle out of several: the mean of its members' probabilities, for one or for many views of each image.

ImageNet's winners of 2012 to 2015 were such ensembles, of 5 to 7 networks (https://arxiv.org/abs/1409.4842, section 7).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from visionkit.data.images.decode import decode_in_graph
from visionkit.errors import UserError
from visionkit.export.bundle import answers, find_bundle, read_metadata, write_bundle
from visionkit.inference.saved_model import load_saved_model
from visionkit.progress import bar
from visionkit.tasks.classification.tta import NUM_VIEWS, views_of

MOST_MEMBERS = 15


class Member(tf.Module):
    """One classifier of an ensemble: a bundle, and the order of the ensemble's labels among its own."""

    def __init__(self, folder: Path, metadata: dict[str, Any], labels: Sequence[str], *, trust: bool = False):
        super().__init__(name="member")
        self.model = load_saved_model(folder, trust=trust)
        if not hasattr(self.model, "serve_pixels"):
            raise UserError(
                f"{folder} does not take images that are cut already: it is an ensemble itself, or was exported by an older "
                "version of visionkit. Name the single models, or train it anew."
            )
        self.size, self.whole = metadata["size"], metadata.get("whole", False)
        self._flips = metadata.get("flips", False)
        self._order = [metadata["labels"].index(label) for label in labels]

    def views_of(self, image: tf.Tensor, views: str) -> tf.Tensor:
        """The views of an image to classify, float32 ``(K, size, size, 3)``: no mirror images where the bundle makes them."""
        crops = views_of(image, self.size, views, whole=self.whole)
        return crops[: crops.shape[0] // 2] if self._flips and views != "one" else crops

    def probabilities(self, pixels: tf.Tensor) -> tf.Tensor:
        """Float32 ``(N, size, size, 3)`` in 0..255 to ``(N, num_classes)``, in the ensemble's order."""
        return tf.gather(self.model.serve_pixels(pixels), self._order, axis=1)


class Ensemble(tf.Module):
    """The mean of the members' probabilities over the views; its functions are those of ``export.ImageClassifier``."""

    def __init__(self, members: list[Member], labels: Sequence[str], views: str):
        super().__init__(name="ensemble")
        self._members, self._views = members, views
        self._labels = tf.constant(list(labels))

    def probabilities(self, pixels: tf.Tensor) -> tf.Tensor:
        """For the LiteRT model: one view of each image, float32 ``(N, size, size, 3)``, to float32 ``(N, num_classes)``."""
        if len({(member.size, member.whole) for member in self._members}) > 1:
            raise ValueError("the members see images of different sizes")
        return tf.reduce_mean(tf.stack([member.probabilities(pixels) for member in self._members]), 0)

    def _outputs(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        means = []
        for member in self._members:
            crops = tf.map_fn(partial(member.views_of, views=self._views), images, fn_output_signature=tf.float32)
            probabilities = member.probabilities(tf.reshape(crops, [-1, member.size, member.size, 3]))
            means.append(tf.reduce_mean(tf.reshape(probabilities, [-1, crops.shape[1], len(self._labels)]), 1))
        return answers(self._labels, tf.reduce_mean(tf.stack(means), 0))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serve_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """See ``export.ImageClassifier.serve_images``."""
        return self._outputs(images)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def serve_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """See ``export.ImageClassifier.serve_encoded``."""
        signature = tf.TensorSpec([len(self._labels)], tf.float32)
        probabilities = tf.map_fn(
            lambda contents: self._outputs(decode_in_graph(contents)[None])["probabilities"][0],
            image_bytes,
            fn_output_signature=signature,
        )
        return answers(self._labels, probabilities)


def export_ensemble(models: Sequence[str | Path], folder: str | Path, *, views: str = "one", trust: bool = False) -> Path:
    """Write one bundle that holds others, and averages their probabilities.

    Args:
        models: 1 to 15 bundles or run folders of image classifiers with the same labels.
        folder: of the ensemble; a bundle there is replaced.
        views: of each image: "one", "flips", "ten_crop" or "multi_crop"; see ``tta``.
        trust: see ``visionkit.load``; what the members do, the ensemble does.

    Returns:
        the folder.

    Raises:
        UserError: there is no model, or too many, or one that is no such classifier, or labels differ, or there is nothing to
            average.
    """
    if views not in NUM_VIEWS:
        raise UserError(f"Unknown views {views!r}; expected one of {', '.join(NUM_VIEWS)}.")
    if not 1 <= len(models) <= MOST_MEMBERS:
        raise UserError(f"{len(models)} models; expected 1 to {MOST_MEMBERS}.")
    if len(models) == 1 and views == "one":
        raise UserError("One model and one view leave nothing to average; name more models, or other views.")
    folders = [find_bundle(model) for model in models]
    metadata = [read_metadata(each) for each in folders]
    labels = metadata[0].get("labels")
    for bundle, described in zip(folders, metadata, strict=True):
        if described.get("task") != "classification" or described.get("input", "image") != "image":
            raise UserError(f"{bundle} is no classifier of images; only those can be averaged.")
        if described.get("multi_label"):
            raise UserError(f"{bundle} predicts several labels an image: multi-label models cannot be averaged.")
        if set(described["labels"]) != set(labels):
            differing = ", ".join(sorted(set(described["labels"]) ^ set(labels))[:6])
            raise UserError(f"{bundle} and {folders[0]} have different labels: {differing}. Train them on the same classes.")
    pairs = bar(list(zip(folders, metadata, strict=True)), "loading models", unit=" models")
    members = [Member(bundle, described, labels, trust=trust) for bundle, described in pairs]
    module = Ensemble(members, labels, views)
    size = members[0].size
    return write_bundle(
        module,
        folder,
        task="classification",
        signatures={"serving_default": module.serve_images, "serving_encoded": module.serve_encoded},
        litert_function=module.probabilities,
        litert_shape=(1, size, size, 3),
        class_names=tuple(labels),
        metadata={
            "size": size,
            "flips": False,
            "whole": members[0].whole,
            "views": views,
            "members": [{name: each.get(name) for name in ("base", "metrics")} for each in metadata],
        },
    )
