"""The peers of visionkit's pipeline, as their documentations write them, as contenders: see ``turns.Loader``.

torch's DataLoader with albumentations or torchvision, and the loader that ultralytics trains with. Worker processes are spawned
once and kept; libraries start no threads in them.
"""

import itertools
import os
import random
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask PyPI for its newest version at import
import albumentations as A  # noqa: N812
import cv2
import numpy as np
import torch
from PIL import Image
from turns import Batch, Loader

PADDING, IGNORE = 114, 255  # of images and of masks, as visionkit pads
LEAST_VISIBLE = 0.25  # of a box, as visionkit has it
BUFFER = 8  # batches of images that ultralytics keeps for its mosaics


def _torch_epochs(
    dataset: Any, batch: int, workers: int, to_batch: Callable[[Any], Batch], collate: Callable | None = None
) -> Loader:
    loader = torch.utils.data.DataLoader(
        dataset,
        batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        worker_init_fn=_one_thread,
        multiprocessing_context="spawn",
        collate_fn=collate,
    )

    def epoch() -> Iterator[Batch]:
        for samples in loader:
            yield to_batch(samples)

    return epoch


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _repeated(items: list, count: int) -> list:
    return list(itertools.islice(itertools.cycle(items), count))


def _jitter(color: float, hue: float) -> A.BasicTransform:
    factors = (1 - color, 1 + color)
    return A.ColorJitter(factors, factors, factors, (-hue, hue), p=1.0)


class AlbumentedPhotographs:
    """Random windows, mirrored, with shifted colors, by albumentations: uint8 ``(size, size, 3)``."""

    def __init__(self, paths: list[str], size: int, area: tuple[float, float], color: float, hue: float):
        self.paths = paths
        crop = A.RandomResizedCrop((size, size), scale=tuple(area))
        self.transform = A.Compose([crop, A.HorizontalFlip(p=0.5), _jitter(color, hue)])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> np.ndarray:
        return self.transform(image=cv2.imread(self.paths[position], cv2.IMREAD_COLOR_RGB))["image"]


class TorchvisionPhotographs:
    """The same by torchvision, on its own tensors or on Pillow's images: uint8 ``(3, size, size)``."""

    def __init__(
        self, paths: list[str], size: int, area: tuple[float, float], color: float, hue: float, decoder: Literal["own", "pil"]
    ):
        from torchvision.transforms import v2

        self.paths, self.decoder = paths, decoder
        steps = [v2.RandomResizedCrop(size, tuple(area)), v2.RandomHorizontalFlip(), v2.ColorJitter(color, color, color, hue)]
        self.transform = v2.Compose([*steps, *([v2.PILToTensor()] if decoder == "pil" else [])])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> torch.Tensor:
        path = self.paths[position]
        if self.decoder == "pil":
            return self.transform(Image.open(path).convert("RGB"))
        from torchvision import io

        return self.transform(io.decode_jpeg(io.read_file(path), io.ImageReadMode.RGB))


def albumentations_photographs(paths: list[str], num_images: int, *, batch: int, workers: int, **options: Any) -> Loader:
    """A DataLoader of ``AlbumentedPhotographs``; ``options`` are theirs."""
    dataset = AlbumentedPhotographs(_repeated(paths, num_images), **options)
    return _torch_epochs(dataset, batch, workers, lambda images: Batch(tuple(images.shape)))


def torchvision_photographs(paths: list[str], num_images: int, *, batch: int, workers: int, **options: Any) -> Loader:
    """A DataLoader of ``TorchvisionPhotographs``; ``options`` are theirs."""
    dataset = TorchvisionPhotographs(_repeated(paths, num_images), **options)
    return _torch_epochs(dataset, batch, workers, lambda images: Batch(tuple(images.shape)))


class AlbumentedMosaics:
    """Mosaics by albumentations, turned, sheared, mirrored and with shifted colors, with boxes or masks.

    Three images of each are drawn from those that the worker has read last, as ultralytics does: one decoding a sample.
    """

    def __init__(
        self,
        items: list[dict[str, Any]],
        size: int,
        kept: int,
        zoom: tuple[float, float],
        rotate: float,
        shear: float,
        color: float,
        hue: float,
    ):
        self.items, self.kept = items, deque(maxlen=kept)
        border = {"fill": PADDING, "fill_mask": IGNORE}
        steps = [
            A.Mosaic((2, 2), (size, size), (size, size), center_range=(0.3, 0.7), fit_mode="contain", p=1.0, **border),
            A.Affine(scale=tuple(zoom), keep_ratio=True, rotate=(-rotate, rotate), shear=(-shear, shear), p=1.0, **border),
            A.HorizontalFlip(p=0.5),
            _jitter(color, hue),
        ]
        boxes = A.BboxParams(
            "yolo", filter_invalid_bboxes=True, label_fields=["classes"], clip=True, min_visibility=LEAST_VISIBLE
        )
        self.transform = A.Compose(steps, bbox_params=boxes if "bboxes" in items[0] else None)

    def __len__(self) -> int:
        return len(self.items)

    def _read(self, position: int) -> dict[str, Any]:
        item = self.items[position]
        read = {"image": cv2.imread(item["path"], cv2.IMREAD_COLOR_RGB)}
        if "mask" in item:
            return read | {"mask": cv2.imread(item["mask"], cv2.IMREAD_GRAYSCALE)}
        return read | {"bboxes": item["bboxes"], "classes": item["classes"]}

    def __getitem__(self, position: int) -> dict[str, Any]:
        own = self._read(position)
        self.kept.append(own)
        return self.transform(**own, mosaic_metadata=random.choices(self.kept, k=3))


def _collate_mosaics(samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Images and masks stacked; boxes of all, with the number of their image, as ultralytics hands them over."""
    batch = {"image": torch.from_numpy(np.stack([sample["image"] for sample in samples]))}
    if "mask" in samples[0]:
        return batch | {"mask": torch.from_numpy(np.stack([sample["mask"] for sample in samples]))}
    boxes = [np.asarray(sample["bboxes"], np.float32).reshape(-1, 4) for sample in samples]
    batch["boxes"] = torch.from_numpy(np.concatenate(boxes))
    batch["classes"] = torch.tensor([label for sample in samples for label in sample["classes"]])
    batch["image_number"] = torch.from_numpy(np.repeat(np.arange(len(samples)), [len(one) for one in boxes]))
    return batch


def albumentations_mosaics(
    paths: list[str], num_images: int, *, masks: list[str] | None = None, batch: int, workers: int, **options: Any
) -> Loader:
    """A DataLoader of ``AlbumentedMosaics``; ``options`` are theirs. Boxes are read from YOLO's labels/ beside images/."""
    if masks is not None:
        items = [{"path": path, "mask": mask} for path, mask in zip(paths, masks, strict=True)]
    else:
        items = [{"path": path} | _yolo_boxes(path) for path in paths]
    dataset = AlbumentedMosaics(_repeated(items, num_images), kept=BUFFER * batch, **options)

    def to_batch(samples: dict[str, torch.Tensor]) -> Batch:
        return Batch(tuple(samples["image"].shape), len(samples.get("boxes", ())))

    return _torch_epochs(dataset, batch, workers, to_batch, _collate_mosaics)


def _yolo_boxes(path: str) -> dict[str, np.ndarray]:
    head, tail = path.rsplit(f"{os.sep}images{os.sep}", 1)
    rows = (Path(head) / "labels" / tail).with_suffix(".txt").read_text().splitlines()
    numbers = np.array([row.split()[:5] for row in rows], np.float64).reshape(-1, 5)
    return {"bboxes": numbers[:, 1:], "classes": numbers[:, 0].astype(int)}


def ultralytics_mosaics(
    paths: list[str],
    num_images: int,
    *,
    size: int,
    batch: int,
    workers: int,
    scale: float,
    rotate: float,
    shear: float,
    color: float,
    hue: float,
    num_classes: int,
    folder: str,
) -> Loader:
    """The data set and the loader of ultralytics' trainer: mosaic, affine, HSV and flip; its rare further changes are off.

    Its loader runs on without an end, and has always some batches ready: as many are taken before an epoch is measured.
    """
    os.environ |= {"YOLO_CONFIG_DIR": folder, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}  # asks no server
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_dataloader, build_yolo_dataset

    torch.multiprocessing.set_start_method("spawn", force=True)
    listed = Path(folder) / "images.txt"
    listed.write_text("\n".join(_repeated(paths, num_images)))
    own = {"imgsz": size, "mosaic": 1.0, "degrees": rotate, "shear": shear, "scale": scale, "translate": 0.1, "fliplr": 0.5}
    configuration = get_cfg(overrides=own | {"hsv_h": hue, "hsv_s": color, "hsv_v": color})
    configuration.augmentations = []
    names = {label: str(label) for label in range(num_classes)}
    dataset = build_yolo_dataset(configuration, str(listed), batch, {"names": names, "nc": num_classes, "channels": 3})
    loader = build_dataloader(dataset, batch, workers, device="cpu")
    endless = itertools.chain.from_iterable(iter(lambda: iter(loader), None))

    def epoch() -> Iterator[Batch]:
        for _ in range((loader.prefetch_factor or 0) * workers):
            next(endless)
        return (Batch(tuple(each["img"].shape), len(each["cls"])) for each in itertools.islice(endless, len(loader)))

    return epoch
