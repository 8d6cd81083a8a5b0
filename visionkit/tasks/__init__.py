"""The table of tasks, and ``load``, which opens an exported model in Python:

import visionkit
model = visionkit.load("runs/transfer_learning/model")
print(model.predict("cat.jpg").label)
"""

import importlib
from pathlib import Path
from types import ModuleType

from visionkit.bundle_files import find_bundle, read_metadata
from visionkit.errors import UserError
from visionkit.inference.predictor import Predictor

PREDICTORS = {  # by the task that a bundle.json names; each is imported when it is first needed
    "classification": "visionkit.tasks.classification.predict:Classifier",
    "detection": "visionkit.tasks.detection.predict:Detector",
    "segmentation": "visionkit.tasks.segmentation.predict:Segmenter",
    "localization": "visionkit.tasks.localization.predict:ObjectLocalizer",
    "landmarks": "visionkit.tasks.localization.predict:LandmarkPredictor",
    "embedding": "visionkit.tasks.embedding.predict:Embedder",
    "stylization": "visionkit.tasks.style_transfer.predict:Stylizer",
}
PACKAGES = {  # of each task: its evaluate.py measures models on data, and its report.py writes the page
    "classification": "visionkit.tasks.classification",
    "detection": "visionkit.tasks.detection",
    "segmentation": "visionkit.tasks.segmentation",
    "localization": "visionkit.tasks.localization",
    "landmarks": "visionkit.tasks.localization",
    "embedding": "visionkit.tasks.embedding",
    "stylization": "visionkit.tasks.style_transfer",
}


def measuring(task: str) -> tuple[ModuleType, ModuleType]:
    """The modules ``evaluate`` and ``report`` of a task.

    ``evaluate.read_data(source, metadata, options)`` opens data once for all models that take the same,
    ``evaluate.evaluate_data(bundle, opened, options)`` measures one, and ``report.report_on(measured, title)`` shows it.
    """
    return tuple(importlib.import_module(f"{PACKAGES[task]}.{name}") for name in ("evaluate", "report"))


def load(path: str | Path, *, trust: bool = False) -> Predictor:
    """Load an exported model.

    A SavedModel is a program. It is loaded only if its graph does no more than compute: one that reads or writes files, calls
    Python or opens connections is refused. Files that are damaged are noticed by their digests.

    Args:
        path: a bundle (``RUN/model``), or the run folder that holds it.
        trust: load the model whatever its graph does. Only for a model whose maker you trust as you trust a program.

    Returns:
        the predictor of its task: a ``Classifier``, a ``Detector``, a ``Segmenter``, an ``ObjectLocalizer``, a
            ``LandmarkPredictor``, an ``Embedder`` or a ``Stylizer``.

    Raises:
        UserError: there is no bundle, or it is damaged, or its graph does more than compute, or its task is not known to this
            version.
    """
    folder = find_bundle(path)
    metadata = read_metadata(folder)
    if metadata.get("task") not in PREDICTORS:
        known = ", ".join(PREDICTORS)
        raise UserError(f"{folder} does {metadata.get('task')!r}; this version of visionkit runs {known}.")
    module, name = PREDICTORS[metadata["task"]].split(":")
    return getattr(importlib.import_module(module), name).open(folder, metadata, trust=trust)
