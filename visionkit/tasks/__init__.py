"""Use an exported bundle from Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

from pathlib import Path

from visionkit.errors import UserError
from visionkit.export.bundle import describe, find_bundle
from visionkit.inference.predictor import PictureModel
from visionkit.tasks.classification.predict import Classifier
from visionkit.tasks.detection.predict import Detector
from visionkit.tasks.embedding.predict import Embedder
from visionkit.tasks.localization.predict import LandmarkFinder, ObjectFinder
from visionkit.tasks.style_transfer.predict import PictureStylizer

MODELS: dict[str, type[PictureModel]] = {
    "classification": Classifier,
    "detection": Detector,
    "localization": ObjectFinder,
    "landmarks": LandmarkFinder,
    "embedding": Embedder,
    "stylization": PictureStylizer,
}


def load(path: str | Path) -> PictureModel:
    """Load an exported model.

    Args:
        path: a bundle (``RUN/model``), or the run folder that holds it.

    Returns:
        by its task: a ``Classifier``, a ``Detector``, a ``PictureSegmenter``, an ``ObjectFinder``, a ``LandmarkFinder``, an
            ``Embedder`` or a ``PictureStylizer``.

    Raises:
        UserError: there is no bundle, or its task is not known to this version.
    """
    folder = find_bundle(path)
    facts = describe(folder)
    if facts.get("task") not in (*MODELS, "segmentation"):
        known = ", ".join((*MODELS, "segmentation"))
        raise UserError(f"{folder} does {facts.get('task')!r}; this version of visionkit runs {known}.")
    if facts["task"] == "segmentation":
        from visionkit.tasks.segmentation.predict import PictureSegmenter, VolumeSegmenter  # readers of volumes take a second

        return (VolumeSegmenter if facts.get("input") == "volume" else PictureSegmenter)(folder, facts)
    if "input" in facts:
        from visionkit.tasks.classification.predict_arrays import ArrayClassifier  # as above

        return ArrayClassifier(folder, facts)
    return MODELS[facts["task"]](folder, facts)
