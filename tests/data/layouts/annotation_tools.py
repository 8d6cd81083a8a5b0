"""Files that annotation tools write next to the images: labelme, VIA, CVAT, Darknet, Label Studio."""

import csv
import json

import numpy as np

from tests.data.layouts.layout import Layout, boxes_in_pixels, image, text, tree

CAT, DOG = ("cat", 10, 20, 50, 60), ("dog", 30, 10, 90, 70)  # in images of 120 x 80 pixels
RELATIVE = {"cat": "0 0.25 0.5 0.333333333 0.5", "dog": "1 0.5 0.5 0.5 0.75"}  # the same as lines of YOLO


def expect(**images):
    """Checks of the boxes of images: ``a=[CAT]`` for a.jpg in the only split, ``val_b=[DOG]`` for b.jpg in a split."""

    def verify(data_set):
        for key, boxes in images.items():
            split, _, name = key.rpartition("_")
            assert boxes_in_pixels(data_set, split or next(iter(data_set.splits)), f"{name}.jpg") == boxes

    return verify


def corners(box):
    return [[box[1], box[2]], [box[3], box[4]]]


def sides(box):
    return {"x": box[1], "y": box[2], "width": box[3] - box[1], "height": box[4] - box[2]}


def labelme(folder, name, *boxes, **more):
    image(folder / f"{name}.jpg")
    shapes = [{"label": box[0], "points": corners(box), "shape_type": "rectangle", "flags": {}} for box in boxes]
    entry = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"{name}.jpg", "imageData": None}
    tree(folder / f"{name}.json", entry | {"imageHeight": 80, "imageWidth": 120} | more)


def build_labelme(folder):
    labelme(folder, "a", CAT, DOG)
    labelme(folder, "b", DOG)


def build_labelme_splits(folder):
    labelme(folder / "train", "a", CAT, imagePath="..\\elsewhere\\a.jpg")
    labelme(folder / "val", "b", DOG)


def build_labelme_folder(folder):
    labelme(folder, "a", CAT, imagePath="../images/a.jpg")
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    (folder / "a.jpg").rename(folder / "images" / "a.jpg")
    (folder / "a.json").rename(folder / "labels" / "a.json")


def build_labelme_flags(folder):
    for name in "abc":
        labelme(folder, name, flags={"sharp": name != "b", "dark": name == "b"})


def via_entry(name, *boxes):
    regions = [{"shape_attributes": {"name": "rect"} | sides(box), "region_attributes": {"class": box[0]}} for box in boxes]
    return {"filename": f"{name}.jpg", "size": 1234, "regions": regions, "file_attributes": {}}


def build_via_csv(folder):
    with (folder / "via_region_data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        columns = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
        writer.writerow(columns.split(","))
        for name, boxes in {"a": [CAT, DOG], "b": [DOG], "c": []}.items():
            image(folder / f"{name}.jpg")
            for number, region in enumerate(via_entry(name, *boxes)["regions"]):
                cells = (json.dumps(region[key]) for key in ("shape_attributes", "region_attributes"))
                writer.writerow([f"{name}.jpg", 1234, "{}", len(boxes), number, *cells])
            if not boxes:
                writer.writerow([f"{name}.jpg", 1234, "{}", 0, 0, "{}", "{}"])


def build_via_json(folder):
    entries = {"a.jpg1234": via_entry("a", CAT, DOG), "b.jpg1234": via_entry("b", DOG)}
    for name in "ab":
        image(folder / f"{name}.jpg")
    tree(folder / "via_project.json", {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}})


def build_via_splits(folder):
    for split, name, box in (("train", "a", CAT), ("val", "b", DOG)):
        image(folder / split / f"{name}.jpg")
        tree(folder / split / "via_region_data.json", {f"{name}.jpg1": via_entry(name, box)})


def build_via_3(folder):
    for name in "ab":
        image(folder / f"{name}.jpg")
    attribute = {"1": {"aname": "class", "anchor_id": "FILE1_Z0_XY1", "options": {"0": "cat", "1": "dog"}}}
    metadata = {
        "1_x": {"vid": "1", "flg": 0, "z": [], "xy": [2, 10, 20, 40, 40], "av": {"1": "0"}},
        "2_x": {"vid": "2", "flg": 0, "z": [], "xy": [7, 30, 10, 90, 10, 90, 70, 30, 70], "av": {"1": "1"}},
    }
    files = {str(number): {"fid": str(number), "fname": f"{name}.jpg", "type": 2} for number, name in enumerate("ab", 1)}
    views = {number: {"fid_list": [number]} for number in files}
    tree(folder / "p.json", {"project": {}, "attribute": attribute, "file": files, "metadata": metadata, "view": views})


def build_cvat(folder):
    for name in "ab":
        image(folder / "images" / f"{name}.jpg")
    labels = "".join(f"<label><name>{name}</name></label>" for name in ("dog", "cat"))
    box = '<box label="{}" source="manual" occluded="0" xtl="{}" ytl="{}" xbr="{}" ybr="{}" z_order="0"/>'
    polygon = '<polygon label="dog" occluded="1" points="30.00,10.00;90.00,10.00;90.00,70.00;30.00,70.00"/>'
    images = "".join(
        f'<image id="{number}" name="{name}.jpg" subset="{subset}" width="120" height="80">{shapes}</image>'
        for number, (name, subset, shapes) in enumerate(
            (("a", "Train", box.format(*CAT) + polygon), ("b", "Validation", polygon))
        )
    )
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    header = '<?xml version="1.0" encoding="utf-8"?>'
    text(folder / "annotations.xml", f"{header}<annotations><version>1.1</version>{meta}{images}</annotations>")


def build_cvat_tags(folder):
    for name in "abc":
        image(folder / f"{name}.jpg")
    tags = {"a": "cat", "b": "dog", "c": "cat"}
    images = "".join(
        f'<image name="{name}.jpg" width="120" height="80"><tag label="{tag}"/></image>' for name, tag in tags.items()
    )
    text(folder / "annotations.xml", f"<annotations><version>1.1</version>{images}</annotations>")


def build_cvat_yolo(folder):
    settings = "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\nbackup = backup/\n"
    text(folder / "obj.data", settings)
    text(folder / "obj.names", "cat\ndog\n")
    for split, name, box in (("train", "a", "cat"), ("valid", "b", "dog")):
        place = f"obj_{split}_data"
        image(folder / place / f"{name}.jpg")
        text(folder / place / f"{name}.txt", f"{RELATIVE[box]}\n")
        text(folder / f"{split}.txt", f"data/{place}/{name}.jpg\n")


def build_darknet(folder):
    text(folder / "classes.txt", "cat\ndog\n")
    for name, lines in {"a": [RELATIVE["cat"], RELATIVE["dog"]], "b": [RELATIVE["dog"]], "c": []}.items():
        image(folder / f"{name}.jpg")
        text(folder / f"{name}.txt", "\n".join(lines))


def build_roboflow_darknet(folder):
    text(folder / "README.roboflow.txt", "Exported on November 30, 2026\n")
    for split, name, box in (("train", "a", "cat"), ("valid", "b", "dog"), ("test", "c", "cat")):
        text(folder / split / "_darknet.labels", "cat\ndog")
        image(folder / split / f"{name}.jpg")
        text(folder / split / f"{name}.txt", RELATIVE[box])


def build_roboflow_coco(folder):
    categories = [{"id": 0, "name": "pets", "supercategory": "none"}]
    categories += [{"id": number, "name": name, "supercategory": "pets"} for number, name in enumerate(("cat", "dog"), 1)]
    for split, name, category, box in (("train", "a", 1, CAT), ("valid", "b", 2, DOG)):
        image(folder / split / f"{name}.jpg")
        bbox = list(sides(box).values())
        tree(
            folder / split / "_annotations.coco.json",
            {
                "info": {},
                "licenses": [],
                "categories": categories,
                "images": [{"id": 0, "license": 1, "file_name": f"{name}.jpg", "height": 80, "width": 120}],
                "annotations": [{"id": 0, "image_id": 0, "category_id": category, "bbox": bbox, "area": 1, "segmentation": []}],
            },
        )


def build_roboflow_voc(folder):
    for split, name, box in (("train", "a", CAT), ("valid", "b", DOG)):
        image(folder / split / f"{name}.jpg")
        edges = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box[1:], strict=True))
        thing = f"<object><name>{box[0]}</name><bndbox>{edges}</bndbox></object>"
        size = "<size><width>120</width><height>80</height><depth>3</depth></size>"
        text(folder / split / f"{name}.xml", f"<annotation><filename>{name}.jpg</filename>{size}{thing}</annotation>")


def build_roboflow_yolo(folder):
    splits = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    text(folder / "data.yaml", f"{splits}nc: 2\nnames: ['cat', 'dog']\nroboflow:\n  workspace: pets\n  version: 1\n")
    for split, name, box in (("train", "a", "cat"), ("valid", "b", "dog"), ("test", "c", "cat")):
        image(folder / split / "images" / f"{name}.jpg")
        text(folder / split / "labels" / f"{name}.txt", RELATIVE[box])


def build_create_ml(folder):
    for split, name, box in (("train", "a", CAT), ("valid", "b", DOG)):
        image(folder / split / f"{name}.jpg")
        place = sides(box)
        center = {"x": place["x"] + place["width"] / 2, "y": place["y"] + place["height"] / 2}
        entry = {"image": f"{name}.jpg", "annotations": [{"label": box[0], "coordinates": place | center}]}
        tree(folder / split / "_annotations.createml.json", [entry])


def build_roboflow_csv(folder):
    for split, name, box in (("train", "a", CAT), ("valid", "b", DOG)):
        image(folder / split / f"{name}.jpg")
        row = ",".join(map(str, (f"{name}.jpg", 120, 80, *box)))
        text(folder / split / "_annotations.csv", f"filename,width,height,class,xmin,ymin,xmax,ymax\n{row}\n")


def percent(box):
    place = sides(box)
    return {key: value / (120 if key in ("x", "width") else 80) * 100 for key, value in place.items()}


def build_label_studio_json(folder):
    tasks = []
    for number, (name, box) in enumerate((("a", CAT), ("b", DOG)), 1):
        image(folder / "images" / f"{name}.jpg")
        value = percent(box) | {"rotation": 0, "rectanglelabels": [box[0]]}
        result = {"type": "rectanglelabels", "original_width": 120, "original_height": 80, "value": value}
        address = f"/data/upload/4/0123abcd-{name}.jpg"
        tasks.append({"id": number, "data": {"image": address}, "annotations": [{"id": number, "result": [result]}]})
    tree(folder / "project-4-at-2026-11-30.json", tasks)


def build_label_studio_choices(folder):
    tasks = []
    for number, (name, choice) in enumerate(zip("abc", ("cat", "dog", "cat"), strict=True), 1):
        image(folder / f"0123abcd-{name}.jpg")
        task = {"id": number, "annotator": 1, "annotation_id": number, "image": f"/data/upload/4/0123abcd-{name}.jpg"}
        tasks.append(task | {"choice": choice, "created_at": "2026-11-30T10:00:00Z", "lead_time": 2.5})
    tree(folder / "project-4-min.json", tasks)


def build_label_studio_yolo(folder):
    text(folder / "classes.txt", "cat\ndog\n")
    categories = [{"id": number, "name": name} for number, name in enumerate(("cat", "dog"))]
    tree(folder / "notes.json", {"categories": categories, "info": {"contributor": "Label Studio"}})
    for name, box in (("a", "cat"), ("b", "dog")):
        image(folder / "images" / f"0123abcd-{name}.jpg")
        text(folder / "labels" / f"0123abcd-{name}.txt", f"{RELATIVE[box]}\n")


def verify_flags(data_set):
    assert data_set.splits["all"].labels.tolist() == [1, 0, 1]


def verify_tags(data_set):
    index = data_set.splits["all"]
    assert index.labels.tolist() == [0, 1, 0] and index.task == "classification"


def verify_cvat(data_set):
    expect(train_a=[CAT, DOG], val_b=[DOG])(data_set)
    (annotation,) = data_set.splits["val"].annotations
    np.testing.assert_allclose(annotation.objects.outlines[0][0] * (120, 80), [[30, 10], [90, 10], [90, 70], [30, 70]])


def verify_label_studio_yolo(data_set):
    assert boxes_in_pixels(data_set, "all", "0123abcd-b.jpg") == [DOG]


PETS = ("cat", "dog")
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "labelme",
        "Boxes",
        "Each image has a .json file of its name: rectangles, polygons, circles and masks are objects.",
        build_labelme,
        "labelme",
        {"all": 2},
        PETS,
        expect(a=[CAT, DOG], b=[DOG]),
    ),
    Layout(
        "labelme in train/ and val/",
        "Boxes",
        "Folders named after splits divide the data; an imagePath of another computer does not matter.",
        build_labelme_splits,
        "labelme",
        {"train": 1, "val": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG]),
    ),
    Layout(
        "labelme, images/ and labels/",
        "Boxes",
        "The .json files may lie in a folder of their own beside that of the images.",
        build_labelme_folder,
        "labelme",
        {"all": 1},
        ("cat",),
        expect(a=[CAT]),
    ),
    Layout(
        "labelme flags",
        "Labels",
        "Where no .json file has a shape, the flag of an image that is set is its label.",
        build_labelme_flags,
        "labelme",
        {"all": 3},
        ("dark", "sharp"),
        verify_flags,
    ),
    Layout(
        "VIA, CSV",
        "Boxes",
        "The regions of each row are objects; the attribute named class, label or the like is their class.",
        build_via_csv,
        "VIA (via_region_data.csv)",
        {"all": 3},
        PETS,
        expect(a=[CAT, DOG], b=[DOG], c=[]),
    ),
    Layout(
        "VIA, JSON",
        "Boxes",
        "A project of VIA, or its annotations as JSON, is read as its CSV is.",
        build_via_json,
        "VIA (via_project.json)",
        {"all": 2},
        PETS,
        expect(a=[CAT, DOG], b=[DOG]),
    ),
    Layout(
        "VIA in train/ and val/",
        "Boxes",
        "Each folder named after a split has a file of VIA.",
        build_via_splits,
        "VIA (via_region_data.json",
        {"train": 1, "val": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG]),
    ),
    Layout(
        "VIA 3",
        "Boxes",
        "A project of VIA 3 for images: its rectangles, circles, ellipses and polygons are objects.",
        build_via_3,
        "VIA 3 (p.json)",
        {"all": 2},
        PETS,
        expect(a=[CAT], b=[DOG]),
    ),
    Layout(
        "CVAT for images 1.1",
        "Boxes",
        "Boxes, polygons, ellipses and masks of annotations.xml are objects; the subsets divide the data.",
        build_cvat,
        "CVAT (annotations.xml)",
        {"train": 1, "val": 1},
        ("dog", "cat"),
        verify_cvat,
    ),
    Layout(
        "CVAT, tags",
        "Labels",
        "Where no image has a shape, the tags are the labels of the images.",
        build_cvat_tags,
        "CVAT (annotations.xml)",
        {"all": 3},
        PETS,
        verify_tags,
    ),
    Layout(
        "CVAT, YOLO 1.1",
        "Boxes",
        "obj.data names the lists of images and the file of class names.",
        build_cvat_yolo,
        "YOLO Darknet (obj.data)",
        {"train": 1, "val": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG]),
    ),
    Layout(
        "YOLO, .txt next to the images",
        "Boxes",
        "Text files of YOLO's lines next to the images are their objects; classes.txt or obj.names has the class names.",
        build_darknet,
        "YOLO Darknet (.txt next to the images)",
        {"all": 3},
        PETS,
        expect(a=[CAT, DOG], b=[DOG], c=[]),
    ),
    Layout(
        "Roboflow, YOLO Darknet",
        "Boxes",
        "The same in train/, valid/ and test/, with class names in _darknet.labels.",
        build_roboflow_darknet,
        "YOLO Darknet (.txt next to the images)",
        {"train": 1, "val": 1, "test": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG], test_c=[CAT]),
    ),
    Layout(
        "Roboflow, COCO",
        "Boxes",
        "train/, valid/ and test/ have an _annotations.coco.json each, next to the images.",
        build_roboflow_coco,
        "COCO",
        {"train": 1, "val": 1},
        ("cat", "dog"),
        expect(train_a=[CAT], val_b=[DOG]),
    ),
    Layout(
        "Roboflow, Pascal VOC",
        "Boxes",
        "Each image in train/, valid/ and test/ has an .xml file of its name.",
        build_roboflow_voc,
        "Pascal VOC",
        {"train": 1, "val": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG]),
    ),
    Layout(
        "Roboflow, YOLO with data.yaml",
        "Boxes",
        "data.yaml names ../train/images, although the folder lies next to it.",
        build_roboflow_yolo,
        "YOLO",
        {"train": 1, "val": 1, "test": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG], test_c=[CAT]),
    ),
    Layout(
        "Roboflow, CreateML",
        "Boxes",
        "train/, valid/ and test/ have an _annotations.createml.json each: boxes by center, width and height.",
        build_create_ml,
        "CreateML",
        {"train": 1, "val": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG]),
    ),
    Layout(
        "Roboflow, TensorFlow CSV",
        "Boxes",
        "train/, valid/ and test/ have an _annotations.csv each: filename, width, height, class, xmin, ymin, xmax, ymax.",
        build_roboflow_csv,
        "a table",
        {"train": 1, "val": 1},
        PETS,
        expect(train_a=[CAT], val_b=[DOG]),
    ),
    Layout(
        "Label Studio, JSON",
        "Boxes",
        "Rectangles, polygons and ellipses of the tasks are objects; images are found without the prefix of their upload, too.",
        build_label_studio_json,
        "Label Studio",
        {"all": 2},
        PETS,
        expect(a=[CAT], b=[DOG]),
    ),
    Layout(
        "Label Studio, choices",
        "Labels",
        "Where nothing is drawn, the choices are the labels of the images, in JSON and in JSON-MIN.",
        build_label_studio_choices,
        "Label Studio",
        {"all": 3},
        PETS,
        verify_tags,
    ),
    Layout(
        "Label Studio, YOLO",
        "Boxes",
        "images/ and labels/, with class names in classes.txt.",
        build_label_studio_yolo,
        "YOLO",
        {"all": 2},
        PETS,
        verify_label_studio_yolo,
    ),
)
