"""Folders of images, and tables that are written next to them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionkit.data.splits import DataSet


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """``write(names, tables)``: images of 120 x 80 pixels, and files by name; returns their folder."""

    def write_files(names: str, tables: dict[str, str | bytes]) -> Path:
        for name in names.split():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (120, 80)).save(tmp_path / name)
        for name, content in tables.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write_files


def labels(data_set: DataSet, split: str = "all") -> dict[str, str]:
    """The label of each image by its name."""
    index = data_set.splits[split]
    return {Path(path).name: index.class_names[label] for path, label in zip(index.paths, index.labels, strict=True)}


def sets(data_set: DataSet, split: str = "all") -> list[set[str]]:
    """The labels of each image, where it may have several."""
    index = data_set.splits[split]
    return [{index.class_names[i] for i in np.flatnonzero(row)} for row in index.label_sets]


def pixels(data_set: DataSet, split: str = "all") -> list[list[list[float]]]:
    """The boxes of each image in pixels."""
    boxes = [annotation.objects.boxes for annotation in data_set.splits[split].annotations]
    return [np.round(each * [120, 80, 120, 80], 6).tolist() for each in boxes]
