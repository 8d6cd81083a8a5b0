"""Published data sets whose masks say nothing of their classes: the names of the values, and forms of the same masks."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.images.contents import read_contents
from visionkit.data.images.decode import ImageError, open_header
from visionkit.data.images.masks.names import NamedClasses
from visionkit.data.images.masks.read import GREY_MODES
from visionkit.data.index import IGNORE

SAMPLED = 32  # masks that are opened to see whether their values are those of the data set that the names suggest
# Cityscapes has each mask in several forms; those of class numbers come first.
FORMS = ("labelTrainIds", "labelIds", "color", "instanceTrainIds", "instanceIds")
FORM = re.compile(rf"_({'|'.join(FORMS)})$")

CITYSCAPES = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road", "sidewalk"),
    *("parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole", "polegroup"),
    *("traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan"),
    *("trailer", "train", "motorcycle", "bicycle"),
)
CITYSCAPES_TRAINED = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain", "sky"),
    *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
VOC = (
    *(
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
    ),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
PETS = ("pet", "background", "border")  # the values 1, 2, 3 of Oxford-IIIT Pet


class Known(NamedTuple):
    """The classes of a published data set, and its name."""

    name: str
    classes: NamedClasses


def one_form(masks: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The masks of one form, where a data set has each of them in several of ``FORMS``; and the forms that are not used."""
    forms = {mask: match[1] for mask in masks if (match := FORM.search(mask.stem))}
    counts = Counter(forms.values())
    if not counts:
        return list(masks), []
    chosen = max(counts, key=lambda form: (form in FORMS[:2], counts[form], -FORMS.index(form)))
    return [mask for mask in masks if forms.get(mask) == chosen], [form for form in FORMS if form in counts and form != chosen]


def known_classes(masks: Sequence[Path], mask_folders: set[str]) -> Known | None:
    """The classes of a published data set, if the names of its files or folders say which, and the values in a sample fit.

    Args:
        masks: the files.
        mask_folders: the names of the folders of masks, in lower case.
    """
    form = FORM.search(masks[0].stem)
    if form and form[1] in FORMS[:2]:
        names = CITYSCAPES_TRAINED if form[1] == "labelTrainIds" else CITYSCAPES
        known, allowed = Known("Cityscapes", NamedClasses(names, source="Cityscapes")), {*range(len(names)), IGNORE}
    elif mask_folders & {"segmentationclass", "segmentationclassaug"}:
        known, allowed = Known("Pascal VOC", NamedClasses(VOC, source="Pascal VOC")), {*range(len(VOC)), IGNORE}
    elif "trimaps" in mask_folders:
        known, allowed = Known("Oxford-IIIT Pet", NamedClasses(PETS, values=(1, 2, 3), source="Oxford-IIIT Pet")), {1, 2, 3}
    else:
        return None
    values = _values(masks)
    return known if values and values <= allowed and not values <= {0, IGNORE} else None


def notes_on_masks(folders: Iterable[Path]) -> list[str]:
    """A sentence on each folder in Pascal VOC's layout that holds masks, too, for the reader of its boxes."""
    notes = []
    for folder in folders:
        children = (child for child in sorted(folder.iterdir()) if child.is_dir())
        masks = next((child for child in children if child.name.lower() == "segmentationclass"), None)
        count = 0 if masks is None else sum(path.suffix.lower() == ".png" for path in masks.iterdir())
        if count:
            notes.append(f"the boxes are read; {masks} holds {count} masks, which `visionkit train segmentation` reads")
    return notes


def _values(masks: Sequence[Path]) -> set[int]:
    """The values in a sample of masks; none if one of them has colors."""
    positions = np.unique(np.linspace(0, len(masks) - 1, min(SAMPLED, len(masks))).round().astype(int))
    values: set[int] = set()
    for path in (masks[i] for i in positions):
        try:
            header = open_header(read_contents(path))
            if header is None or header.mode not in GREY_MODES:
                return set()
            values.update(np.unique(np.asarray(header)).tolist())
        except (OSError, ImageError, SyntaxError, ValueError):  # reported when the mask is read
            continue
    return values
