"""The contenders of faces.py at embedding: each function makes a loader that embeds drawn chips, call after call."""

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
from detection_steps import loader_of
from turns import Loader

SIZES = {"inception_resnet_v1": 160, "dlib_face": 150}


def _drawn(network: str, batch: int) -> np.ndarray:
    """Chips, uint8 ``(N, size, size, 3)``."""
    size = SIZES[network]
    return np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)


def ours(*, network: str, batch: int, seconds: float) -> Loader:
    """A bundle, as a gallery asks it: uint8 pixels in, NumPy out."""
    import visionkit

    visionkit.quiet_tensorflow()
    from visionkit import models
    from visionkit.tasks.embedding.export import export_embedder

    model = models.facenet() if network == "inception_resnet_v1" else models.dlib_face()
    with tempfile.TemporaryDirectory() as folder:
        bundle = visionkit.load(export_embedder(model, Path(folder, "model"), metadata={}))
    chips = _drawn(network, batch)
    return loader_of(lambda: bundle.embed(chips), chips.shape, seconds)


def facenet_pytorch(*, network: str, batch: int, seconds: float, layout: str) -> Loader:
    """The same network in ``inference_mode``, from uint8 pixels to NumPy."""
    import torch
    from facenet_pytorch import InceptionResnetV1

    model = InceptionResnetV1(pretrained=None).eval().to(memory_format=getattr(torch, layout))
    chips = torch.from_numpy(_drawn(network, batch))

    def embed() -> np.ndarray:
        with torch.inference_mode():
            pixels = ((chips.permute(0, 3, 1, 2).float() - 127.5) / 128).contiguous(memory_format=getattr(torch, layout))
            return model(pixels).numpy()

    return loader_of(embed, tuple(chips.shape), seconds)


def dlib(*, network: str, batch: int, seconds: float) -> Loader:
    """Dlib's own, of the same weights: a list of chips at a time."""
    import dlib

    from visionkit.weights.dlib_faces import FILE, PACKAGE

    (package,) = importlib.util.find_spec(PACKAGE).submodule_search_locations
    model = dlib.face_recognition_model_v1(str(Path(package, FILE)))
    chips = list(_drawn(network, batch))
    return loader_of(lambda: np.array(model.compute_face_descriptor(chips)), (batch, *chips[0].shape), seconds)
