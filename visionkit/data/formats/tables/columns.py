"""The meaning of the columns of a table of images by their names.

Letter case, blanks, hyphens, underscores and brackets do not matter: ImageID, image_id and "image id" are one name.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from visionkit.data.index import DataError

# In order of preference; of several that a table has, the one whose values are files is the image.
IMAGE = (
    *("imagepath", "imgpath", "image", "path", "filepath", "filepaths", "file", "filename", "imagename", "imagefile"),
    *("imagefilename", "imagefilepath", "imageid", "imageindex", "img", "imgname", "imgfile", "imgid", "picture", "photo"),
    *("relativepath", "fullpath", "images", "filenames", "paths", "fname", "idcode", "isicid", "dicomid"),
)
IMAGE_IF_FOUND = ("id", "name", "key", "uid", "uuid", "photoid", "imageno", "patientid")  # only if the values are files
LABEL = (
    *("label", "class", "category", "species", "target", "classname", "labelname", "categoryname", "classlabel", "breed"),
    *("labels", "classes", "categories", "tags", "tag", "findinglabels", "findinglabel", "findings", "diagnosis", "dx"),
    *("disease", "variety", "objectname", "object", "targetname", "annotation", "groundtruth", "gt", "labelid", "classid"),
    *("categoryid", "targetid", "classnumber", "y", "name"),
)
BLANKS_DIVIDE = ("tags", "labels", "classes", "categories", "findings")  # their labels may be divided by blanks
MASK = ("mask", "maskpath", "maskfile", "maskfilename", "maskname", "maskimage", "maskid", "segmentationpath")
SPLIT = ("split", "subset", "set", "partition", "dataset", "phase", "usage", "datasplit")
SPLIT_IF_TRUE = {
    **dict.fromkeys(("isvalid", "isval", "isvalidation"), ("val", "train")),
    **{"istest": ("test", "train"), "istrain": ("train", "test")},
}
SIZE = (
    *(("imagewidth", "imageheight"), ("imgwidth", "imgheight"), ("width", "height"), ("imgw", "imgh"), ("imagew", "imageh")),
    *(("originalimagewidth", "height"), ("origwidth", "origheight"), ("originalwidth", "originalheight")),
)
CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
    ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
    ("minx", "miny", "maxx", "maxy"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("x1", "y1", "x2", "y2"),
)
BOX = ("bbox", "box", "")  # may begin the names of the columns of a box
WIDTHS = tuple((f"{box}{w}", f"{box}{h}") for box in BOX for w, h in (("w", "h"), ("width", "height")))
CENTER_NAMES = (("xcenter", "ycenter"), ("centerx", "centery"), ("xcentre", "ycentre"), ("centrex", "centrey"))
CENTER_NAMES += (("xmid", "ymid"), ("midx", "midy"), ("cx", "cy"), ("xc", "yc"))
CENTER_POINTS = tuple((f"{box}{x}", f"{box}{y}") for box in BOX for x, y in CENTER_NAMES)
CORNER_POINTS = (("x1", "y1"), ("xmin", "ymin"), ("left", "top"), ("bboxx1", "bboxy1"), ("bboxxmin", "bboxymin"))
POINTS = (*((f"{box}x", f"{box}y") for box in BOX), ("bboxx", "y"))  # a corner or, in YOLO's manner, the center
FORMS = (  # the columns of boxes by their form, in order of preference
    ("corners", CORNERS),
    ("centers", tuple((*point, *sides) for sides in WIDTHS for point in CENTER_POINTS)),
    ("sides or centers", tuple((*point, *sides) for sides in WIDTHS for point in POINTS)),
    ("sides", tuple((*point, *sides) for sides in WIDTHS for point in CORNER_POINTS)),
)
WHOLE_BOXES = {  # what follows "bbox" in the names of columns that hold whole boxes, and their form
    **{"xyxy": "corners", "voc": "corners", "xywh": "sides", "coco": "sides", "xxyy": "xxyy"},
    **{"cxcywh": "centers", "yolo": "centers"},
}
LISTS = {  # columns that hold whole boxes, and the form of these if the name says it
    **dict.fromkeys(("bbox", "box", "boundingbox", "bboxes", "boxes", "boundingboxes"), ""),
    "boxesstring": "corners",  # Global Wheat 2021
    **{f"{box}{name}": form for box in ("bbox", "bboxes", "box", "boxes") for name, form in WHOLE_BOXES.items()},
    **dict.fromkeys(("x1y1x2y2", "xminyminxmaxymax", "xyxy", "lefttoprightbottom"), "corners"),
    **dict.fromkeys(("xywh", "xywidthheight", "xminyminwidthheight", "lefttopwidthheight"), "sides"),
    **dict.fromkeys(("x1x2y1y2", "xminxmaxyminymax", "xxyy"), "xxyy"),
}
COCO = {"imageid", "categoryid", "bbox"}  # COCO's own names, in a table: its boxes are x, y, width, height
GLOBAL_WHEAT_2020 = {"imageid", "width", "height", "bbox", "source"}  # as well
RUN_LENGTHS = ("encodedpixels", "rle", "rlemask", "maskrle", "rleencoding", "segmentation", "annotation", "label", "pixels")
GROUPS = ("isgroupof", "iscrowd")
CONFIDENCE = ("confidence",)
OF_ANOTHER_READER = ("regionshapeattributes",)  # the VGG Image Annotator writes outlines as JSON
NOT_LABELS = frozenset(
    [
        *("width", "height", "w", "h", "size", "filesize", "area", "depth", "channels", "source", "fold", "kfold", "folds"),
        *("confidence", "score", "probability", "age", "index", "id", "url", "md5", "sha1", "date", "time", "timestamp"),
        *("lat", "lon", "lng", "latitude", "longitude", "altitude", "license", "author", "photographer", "caption", "title"),
        *("description", "comment", "comments", "camera", "rotation", "difficult", "truncated", "occluded", "iscrowd"),
        *("isoccluded", "istruncated", "isgroupof", "isdepiction", "isinside", "originalurl", "hash", "format", "boxid"),
    ]
)
EXPECTED = (
    "Expected a header with a column for the image (image, filename, path, image_id, ...) and columns for what it shows: label "
    "(or class, category, breed, ...); xmin,ymin,xmax,ymax or bbox; mask; a column of 0 and 1 for each class; or landmarks "
    "such as x0,y0,x1,y1,x2,y2."
)
X_OF_POINT = (re.compile(r"(?P<name>.+)_x"), re.compile(r"x_?(?P<name>\d+)"))  # left_eye_x; x0
FEWEST_POINTS = 3  # two points are the corners of a box
UNNAMED = re.compile(r"|unnamed\d+|level0|rownames?")  # the index column of pandas and R


class Columns(NamedTuple):
    """Positions of columns; None, or an empty tuple, if there is no such column.

    Attributes:
        image: file of the image.
        label: its label, or that of the object.
        has_header: whether the first row holds names.
        width: number of fields of a row.
        split_if_true: the split of rows whose field ``split`` is true, and of the others; or empty where it is a name.
        splits_have_numbers: whether 0, 1 and 2 stand for train, val and test.
        box: the four numbers of a box in the form ``box_form``; or the one column that holds all of them.
        box_form: "corners" (x1, y1, x2, y2), "xxyy" (x1, x2, y1, y2), "sides" (x1, y1, width, height), "centers" (x, y, width,
            height); or what only the numbers can tell: "corners or sides", "sides or centers" or "" (any).
        points: x and y of each landmark.
        point_names: names of the landmarks.
        size: width and height of the image.
        flags: one column a class, which says whether the image shows it.
        flag_names: the names of these classes.
        group: whether the object is a group of objects.
        confidence: how certain the label is.
        divider: what divides the labels of one image in the column of labels; "[" where they are a list; "" if each image has
            one.
    """

    image: int
    label: int | None = None
    mask: int | None = None
    split: int | None = None
    has_header: bool = True
    width: int = 0
    split_if_true: tuple[str, ...] = ()
    splits_have_numbers: bool = False
    box: tuple[int, ...] = ()
    box_form: str = ""
    points: tuple[tuple[int, int], ...] = ()
    point_names: tuple[str, ...] = ()
    size: tuple[int, ...] = ()
    flags: tuple[int, ...] = ()
    flag_names: tuple[str, ...] = ()
    group: int | None = None
    confidence: int | None = None
    divider: str = ""

    @property
    def kind(self) -> str:
        """What the table annotates: "masks", "landmarks", "boxes", "flags", "labels", or "" for nothing."""
        if self.mask is not None:
            return "masks"
        if self.box or self.points:
            return "landmarks" if self.points else "boxes"
        return "flags" if self.flags else "labels" if self.label is not None else ""


class Understood(NamedTuple):
    """The meaning of a table.

    Attributes:
        columns: its columns.
        notes: sentences on what was decided.
        guessed: whether the column of labels is known only because no other is left.
        folders: the folders of the images that were looked up; empty if none was found.
        doubts: sentences on columns that are not used, and look like annotations.
    """

    columns: Columns
    notes: tuple[str, ...] = ()
    guessed: bool = False
    folders: frozenset[str] = frozenset()
    doubts: tuple[str, ...] = ()


class UnclearError(DataError):
    """A table of images, in which several columns may be the label, or none."""

    def __init__(self, message: str, folders: frozenset[str]):
        super().__init__(message)
        self.folders = folders


class Named(NamedTuple):
    """Columns by their names alone, in order of preference where several may be meant."""

    images: list[int]
    images_if_found: list[int]
    labels: list[int]
    others: list[int]  # columns that may be labels or classes by what they hold
    columns: Columns  # all that is certain


def plain(name: str) -> str:
    """A name of a column without what does not matter."""
    return re.sub(r"[\W_]+", "", name).lower()


def find_columns(header: Sequence[str]) -> Named:
    """Find columns by the names in a header."""
    names = [plain(name) for name in header]
    position = {name: i for i, name in reversed(list(enumerate(names))) if name}

    def all_in(candidates):
        return [position[name] for name in candidates if name in position]

    def first(candidates):
        return next(iter(all_in(candidates)), None)

    points, point_names = _points(header)
    box, form = _box(position, [name for name in point_names if name.isdecimal()])
    if box and not form and (set(names) == GLOBAL_WHEAT_2020 or set(names) >= COCO):
        form = "sides"
    free = position.keys() - _of_boxes(names, position, box)
    size = next((tuple(map(position.get, pair)) for pair in SIZE if set(pair) <= free), ())
    landmarks = [i for i, point in enumerate(points) if not set(point) & set(box)]
    landmarks = landmarks if len(landmarks) >= FEWEST_POINTS else []
    by_truth = first(SPLIT_IF_TRUE)
    split = first(SPLIT)
    columns = Columns(
        -1,
        mask=first(MASK),
        split=by_truth if split is None else split,
        width=len(header),
        split_if_true=SPLIT_IF_TRUE[names[by_truth]] if split is None and by_truth is not None else (),
        box=box,
        box_form=form,
        points=tuple(points[i] for i in landmarks),
        point_names=tuple(point_names[i] for i in landmarks),
        size=size,
        group=first(GROUPS),
        confidence=first(CONFIDENCE),
    )
    used = {columns.mask, columns.split, *box, *size, *(i for point in columns.points for i in point)}
    is_index = bool(names) and UNNAMED.fullmatch(names[0]) is not None
    others = [i for i, name in enumerate(names) if i not in used and name not in NOT_LABELS and not (is_index and i == 0)]
    return Named(
        [i for i in all_in(IMAGE) if i not in used],
        [i for i in all_in(IMAGE_IF_FOUND) if i not in used],
        [i for i in all_in(LABEL) if i not in used and not (names[i] == "y" and "x" in position)],  # x and y are a point
        others,
        columns,
    )


def _of_boxes(names: list[str], position: dict[str, int], box: Sequence[int]) -> set[str]:
    """The names of the columns of a box, and of those that write it in another form, too."""
    used = {names[i] for i in box}
    again = [group for _, groups in FORMS for group in groups if set(group) <= position.keys() and not used & set(group[:2])]
    return used.union(*again) if box else used


def _box(position: dict[str, int], numbered: list[str]) -> tuple[tuple[int, ...], str]:
    """The columns of a box and their form."""
    for form, groups in FORMS:
        for group in groups:
            if "x1" in group and len(numbered) >= FEWEST_POINTS:  # x1,y1,x2,y2 may begin a row of landmarks
                continue
            if set(group) <= position.keys():
                return tuple(position[name] for name in group), form
    return next((((position[name],), form) for name, form in LISTS.items() if name in position), ((), ""))


def _points(header: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    spelled = [re.sub(r"[\s-]+", "_", re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())).lower() for name in header]
    position = {name: i for i, name in reversed(list(enumerate(spelled)))}
    points, names = [], []
    for name, x in sorted(position.items(), key=lambda item: item[1]):
        match = next((match for pattern in X_OF_POINT if (match := pattern.fullmatch(name))), None)
        partner = None if match is None else f"{name[:-1]}y" if name.endswith("_x") else f"y{name[1:]}"
        if partner in position:
            points.append((x, position[partner]))
            names.append(match["name"])
    return points, names
