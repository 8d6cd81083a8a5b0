"""Use an exported bundle from Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

from pathlib import Path

from visionkit.errors import UserError
from visionkit.export.bundle import find_bundle, read_metadata
from visionkit.inference.predictor import Predictor
from visionkit.tasks.classification.predict import Classifier
from visionkit.tasks.detection.predict import Detector
from visionkit.tasks.embedding.predict import Embedder
from visionkit.tasks.localization.predict import LandmarkPredictor, ObjectLocalizer
from visionkit.tasks.style_transfer.predict import Stylizer

MODELS: dict[str, type[Predictor]] = {
    "classification": Classifier,
    "detection": Detector,
    "localization": ObjectLocalizer,
    "landmarks": LandmarkPredictor,
    "embedding": Embedder,
    "stylization": Stylizer,
}


def load(path: str | Path) -> Predictor:
    """Load an exported model.

    Args:
        path: a bundle (``RUN/model``), or the run folder that holds it.

    Returns:
        by its task: a ``Classifier``, a ``Detector``, a ``Segmenter``, an ``ObjectLocalizer``, a ``LandmarkPredictor``, an
            ``Embedder`` or a ``Stylizer``.

    Raises:
        UserError: there is no bundle, or its task is not known to this version.
    """
    folder = find_bundle(path)
    metadata = read_metadata(folder)
    if metadata.get("task") not in (*MODELS, "segmentation"):
        known = ", ".join((*MODELS, "segmentation"))
        raise UserError(f"{folder} does {metadata.get('task')!r}; this version of visionkit runs {known}.")
    if metadata["task"] == "segmentation":
        from visionkit.tasks.segmentation.predict import Segmenter, VolumeSegmenter  # readers of volumes take a second

        return (VolumeSegmenter if metadata.get("input") == "volume" else Segmenter)(folder, metadata)
    if "input" in metadata:
        from visionkit.tasks.classification.predict_arrays import ArrayClassifier  # as above

        return ArrayClassifier(folder, metadata)
    return MODELS[metadata["task"]](folder, metadata)
