"""The outputs of a frozen base, computed once and kept on disk: every further epoch trains only the head.

An entry is a folder named by its key, which covers all that the features depend on: the base and its weights, the size,
the contents of the files and, for an augmented view, the augmentation and its seed. It appears by one rename, is read
through a memory map, and is built anew if a byte of it has changed.
"""

import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import albumentations
import cv2
import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.batches import batches
from visionkit.files import cache_folder
from visionkit.training import runtime

FORMAT = 3  # of an entry, and of how images are cut, resized and shifted in color: raise it when data/ changes that
DAY = 24 * 3600  # seconds


def weights_digest(model: keras.Model) -> str:
    """A digest of every weight's path, shape and value."""
    digest = hashlib.blake2b(digest_size=16)
    for weight in model.weights:
        array = keras.ops.convert_to_numpy(weight)
        digest.update(f"{weight.path} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class FeatureCache:
    """Features of one base at one size.

    Args:
        extractor: ``(N, size, size, 3)`` float32 pixels to features ``(N, D)``, frozen.
        folder: holds the entries; None takes ``cache_folder() / "features"``.
        say: called with a sentence when an entry is refused.
    """

    def __init__(self, extractor: keras.Model, *, folder: Path | None = None, say: Callable[[str], None] = print):
        self.extractor = extractor
        self.size = extractor.input_shape[1]
        self.folder = Path(folder) if folder is not None else cache_folder() / "features"
        self._say = say
        self._base = {"name": extractor.name, "layers": _layers_digest(extractor), "weights": weights_digest(extractor)}

    def features(
        self,
        index: Index,
        *,
        skipped: SkippedFiles,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        view: int = 0,
        mirrored: bool = False,
        batch_size: int = 32,
    ) -> np.ndarray:
        """The features of an index, from disk where they are kept, else computed and kept.

        Args:
            index: scanned.
            skipped: takes files that vanish on the way.
            augmentation: None for the images as they are served.
            seed: of the augmentation.
            view: which of several augmented views.
            mirrored: features of the images' mirror images.

        Returns:
            float32 ``(N, D)``, memory-mapped and read-only, a row a sample; rows of files that could not be read are NaN.
        """
        key = self._key(index, augmentation, seed, view, mirrored)
        entry = self.folder / _name_of(key)
        kept = self._read(entry, key)
        if kept is not None:
            return kept
        computed = self._compute(index, skipped, augmentation, seed, view, mirrored, batch_size)
        if np.isnan(computed).any():
            return computed  # incomplete: it is used, but not kept under a key that promises every file
        try:
            _write(entry, key, computed)
        except OSError as error:
            self._say(f"The features are not kept in {self.folder} ({error}).")
            return computed
        kept = self._read(entry, key)
        return computed if kept is None else kept

    @functools.cached_property
    def _extract(self) -> Callable[[tf.Tensor], tf.Tensor]:
        return runtime.frozen(self.extractor)

    def _key(self, index: Index, augmentation: Augmentation | None, seed: int, view: int, mirrored: bool) -> dict:
        files = hashlib.blake2b("".join(info.digest for info in index.infos).encode(), digest_size=16).hexdigest()
        key = {"format": FORMAT, "tensorflow": tf.__version__, "base": self._base, "size": self.size}
        key |= {"files": files, "rows": len(index), "mirrored": mirrored}
        if augmentation is not None:
            drawn_by = f"albumentations {albumentations.__version__}, OpenCV {cv2.__version__}"
            key["augmentation"] = [augmentation.describe(), seed, view, drawn_by]
        return key

    def _read(self, entry: Path, key: dict) -> np.ndarray | None:
        if not entry.exists():
            return None
        try:
            manifest = json.loads((entry / "manifest.json").read_text())
            if manifest["key"] != key:
                raise ValueError("it was made for something else")
            if _file_digest(entry / "features.npy") != manifest["digest"]:
                raise ValueError("its contents have changed")
            return np.load(entry / "features.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._say(f"Cached features {entry.name} refused ({error}); computing them anew.")
            shutil.rmtree(entry, ignore_errors=True)
            return None

    def _compute(self, index, skipped, augmentation, seed, view, mirrored, batch_size) -> np.ndarray:
        features = np.full((len(index), self.extractor.output_shape[-1]), np.nan, np.float32)
        epoch_batches = batches(
            index, size=self.size, batch_size=batch_size, skipped=skipped, augmentation=augmentation, seed=seed, epoch=view
        )
        description = "features" if augmentation is None else f"features, view {view + 1}"
        with tqdm(total=len(index), desc=description, unit=" images", leave=False) as progress:
            for batch in epoch_batches:
                pixels = tf.cast(batch["image"][:, :, ::-1] if mirrored else batch["image"], tf.float32)
                features[batch["position"].numpy()] = self._extract(pixels).numpy()
                progress.update(len(batch["label"]))
        return features


def _write(entry: Path, key: dict, features: np.ndarray) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    _sweep(entry.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=entry.parent))
    try:
        np.save(unfinished / "features.npy", features)
        manifest = {"key": key, "digest": _file_digest(unfinished / "features.npy")}
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2))
        unfinished.chmod(0o755)  # mkdtemp makes a folder that others, who may share the cache, cannot read
        os.rename(unfinished, entry)
    except OSError:
        if not entry.exists():  # else another run was faster, and its features are the same
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what killed runs left unfinished; younger folders may belong to a run that is alive."""
    for left in folder.glob(".unfinished-*"):
        if time.time() - left.stat().st_mtime > DAY:
            shutil.rmtree(left, ignore_errors=True)


def _name_of(key: dict) -> str:
    return hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=16).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _layers_digest(model: keras.Model) -> str:
    """What the layers are, for the weights alone do not tell the normalisation or the activations."""

    def without_flags(config):
        if isinstance(config, dict):
            return {name: without_flags(value) for name, value in config.items() if name != "trainable"}
        return [without_flags(value) for value in config] if isinstance(config, (list, tuple)) else config

    described = json.dumps(without_flags(model.get_config()), default=str)
    return hashlib.blake2b(described.encode(), digest_size=16).hexdigest()
