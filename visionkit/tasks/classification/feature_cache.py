"""The outputs of a frozen base, computed once and kept on disk: every further epoch trains only the head.

An entry is a folder named by its key, which covers all that the features depend on: the base and its weights, the size,
the contents of the files and, for an augmented view, the augmentation and its seed. An entry appears by one rename, is read
through a memory map, and is computed again if a byte of it has changed.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import albumentations
import cv2
import keras
import numpy as np
import tensorflow as tf

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index
from visionkit.data.pipeline.batches import TrainingPipeline, evaluation_batches
from visionkit.files import LARGEST_TEXT, cache_folder, check_file, read_file, remove
from visionkit.progress import bar
from visionkit.training import runtime
from visionkit.training.run_files import file_digest

FORMAT = 4  # of entries, and of how images are decoded, cut, resized and shifted in color: raise it when data/ changes that
DAY = 24 * 3600  # seconds


def weights_digest(model: keras.Model) -> str:
    """A digest of every weight's path, shape and value."""
    digest = hashlib.blake2b(digest_size=16)
    for weight in model.weights:
        array = keras.ops.convert_to_numpy(weight)
        digest.update(f"{weight.path} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class Features(NamedTuple):
    """What a head is trained on: the features of images.

    Attributes:
        index: the images.
        views: float32 ``(N, D)`` of each view of them, a row an image.
    """

    index: Index
    views: list[np.ndarray]


class FeatureCache:
    """Features of one base at one size.

    Args:
        extractor: ``(N, size, size, 3)`` float32 pixels to features ``(N, D)``, frozen.
        folder: holds the entries. Default: ``cache_folder() / "features"``.
        note: is called with a sentence when an entry is refused.
    """

    def __init__(self, extractor: keras.Model, *, folder: Path | None = None, note: Callable[[str], None] = print):
        self.extractor = extractor
        self.size = extractor.input_shape[1]
        self.folder = Path(folder) if folder is not None else cache_folder() / "features"
        self._note = note
        self._base = {"name": extractor.name, "layers": _layers_digest(extractor), "weights": weights_digest(extractor)}

    def features(
        self,
        index: Index,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        view: int = 0,
        mirrored: bool = False,
        batch_size: int = 32,
    ) -> np.ndarray:
        """The features of an index, read from disk, or computed and written there.

        Args:
            index: scanned.
            augmentation: None for the images as the exported model sees them.
            seed: of the augmentation.
            view: number of the augmented view.
            mirrored: whether to compute the features of the mirror images.
            batch_size: images that are computed at once.

        Returns:
            float32 ``(N, D)``, memory-mapped and read-only, a row a sample; rows of files that could not be read are NaN.
        """
        key = self._key(index, augmentation, seed, view, mirrored)
        entry = self.folder / _name_of(key)
        stored = self._read(entry, key)
        if stored is not None:
            return stored
        computed = self._compute(index, augmentation, seed, view, mirrored, batch_size)
        if np.isnan(computed).any():
            return computed  # these are incomplete, and the key promises every file
        try:
            _write(entry, key, computed)
        except OSError as error:
            self._note(f"The features are not kept in {self.folder} ({error}).")
            return computed
        stored = self._read(entry, key)
        return computed if stored is None else stored

    def training_features(self, index: Index, augmentation: Augmentation, *, seed: int, views: int) -> Features:
        """The features of images, and of ``views`` augmented views of each, without files that have vanished."""
        arrays = [self.features(index)]
        arrays += [self.features(index, augmentation=augmentation, seed=seed, view=view) for view in range(views)]
        return _without_vanished(index, arrays)

    def validation_features(self, index: Index, *, mirrored: bool) -> Features:
        """The features of images, and of their mirror images where ``mirrored``, without files that have vanished."""
        looks = (False, True) if mirrored else (False,)
        return _without_vanished(index, [self.features(index, mirrored=look) for look in looks])

    @functools.cached_property
    def _extract(self) -> Callable[[tf.Tensor], tf.Tensor]:
        return runtime.frozen(self.extractor)

    def _key(self, index: Index, augmentation: Augmentation | None, seed: int, view: int, mirrored: bool) -> dict:
        files = hashlib.blake2b("".join(info.digest for info in index.infos).encode(), digest_size=16).hexdigest()
        key = {"format": FORMAT, "tensorflow": tf.__version__, "base": self._base, "size": self.size}
        key |= {"files": files, "rows": len(index), "mirrored": mirrored}
        if augmentation is not None:
            versions = f"albumentations {albumentations.__version__}, OpenCV {cv2.__version__}"
            key["augmentation"] = [augmentation.describe(), seed, view, versions]
        return key

    def _read(self, entry: Path, key: dict) -> np.ndarray | None:
        if not os.path.lexists(entry):
            return None
        try:
            manifest = json.loads(read_file(entry / "manifest.json", LARGEST_TEXT))
            if manifest["key"] != key:
                raise ValueError("it belongs to another key")
            if file_digest(entry / "features.npy") != manifest["digest"]:
                raise ValueError("its contents have changed")
            check_file(entry / "features.npy")
            return np.load(entry / "features.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self._note(f"Cached features {entry.name} refused ({error}); computing them anew.")
            with contextlib.suppress(OSError):
                remove(entry)
            return None

    def _compute(self, index, augmentation, seed, view, mirrored, batch_size) -> np.ndarray:
        features = np.full((len(index), self.extractor.output_shape[-1]), np.nan, np.float32)
        if augmentation is None:
            batches = evaluation_batches(index, self.size, batch_size)
        else:
            pipeline = TrainingPipeline(index, self.size, batch_size, augmentation, seed=seed)
            batches = pipeline.epoch(view, order=np.arange(len(index)))
        description = "features" if augmentation is None else f"features, view {view + 1}"
        with bar(total=len(index), description=description, unit=" images") as progress:
            for batch in batches:
                pixels = tf.cast(batch["image"][:, :, ::-1] if mirrored else batch["image"], tf.float32)
                features[batch["position"].numpy()] = self._extract(pixels).numpy()
                progress.update(len(batch["label"]))
        return features


def _without_vanished(index: Index, views: list[np.ndarray]) -> Features:
    """The features without the images whose files could not be read any more, which have none."""
    complete = np.all([np.isfinite(view[:, 0]) for view in views], axis=0)
    if complete.all():
        return Features(index, views)
    return Features(index.take(np.flatnonzero(complete)), [view[complete] for view in views])


def _write(entry: Path, key: dict, features: np.ndarray) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    _sweep(entry.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=entry.parent))
    try:
        np.save(unfinished / "features.npy", features)
        manifest = {"key": key, "digest": file_digest(unfinished / "features.npy")}
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2))
        unfinished.chmod(0o755)  # mkdtemp makes a folder that others, who may share the cache, cannot read
        os.rename(unfinished, entry)
    except OSError:
        if not entry.exists():  # otherwise another run was faster, and its features are the same
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove folders that killed runs left unfinished; those of the last day may belong to a running one."""
    for unfinished in folder.glob(".unfinished-*"):
        if time.time() - unfinished.stat().st_mtime > DAY:
            shutil.rmtree(unfinished, ignore_errors=True)


def _name_of(key: dict) -> str:
    return hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=16).hexdigest()


def _layers_digest(model: keras.Model) -> str:
    """A digest of the layers' configuration: the weights alone say nothing of normalisation and activations."""

    def without_flags(config):
        if isinstance(config, dict):
            return {name: without_flags(value) for name, value in config.items() if name != "trainable"}
        return [without_flags(value) for value in config] if isinstance(config, (list, tuple)) else config

    described = json.dumps(without_flags(model.get_config()), default=str)
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()
