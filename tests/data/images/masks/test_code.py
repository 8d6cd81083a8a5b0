"""The decision what mask values mean, for every kind of mask that people have: the right classes, with the right pixels."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.decode import ImageError
from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.meaning import BINARY_NAMES, MaskClasses
from visionkit.data.images.masks.names import NamedClasses, parse_values, read_names
from visionkit.data.images.masks.read import read_mask
from visionkit.data.index import IGNORE, DataError, Index, MaskCode
from visionkit.errors import UserError

SIDE = 64


def in_stripes(*shares):
    """A mask whose values fill so many of the 64 rows each: ``(value, rows)``; the rest is 0, or black."""
    channels = np.shape(shares[0][0])
    dtype = np.uint16 if not channels and max(value for value, _ in shares) > 255 else np.uint8
    pixels, row = np.zeros((SIDE, SIDE, *channels), dtype), 0
    for value, rows in shares:
        pixels[row : row + rows] = value
        row += rows
    return pixels


def in_boxes(values, columns=8):
    """A mask with a square of 4 x 4 pixels for each value, in order, on 0."""
    pixels = np.zeros((SIDE, SIDE), np.uint16 if max(values, default=0) > 255 else np.uint8)
    for place, value in enumerate(values):
        row, column = (8 * one + 2 for one in divmod(place, columns))
        pixels[row : row + 4, column : column + 4] = value
    return pixels


def written(folder, masks, suffix=".png", **options):
    paths = []
    for number, pixels in enumerate(masks):
        paths.append(str(folder / f"{number:03d}{suffix}"))
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(paths[-1], **options)
    return paths


def counts_of(classes: MaskClasses, paths):
    """Pixels of each class by its name, and of those that are ignored."""
    index = Index(classes.names, (), np.zeros(0, np.int32), mask_code=classes.code)
    counts = sum(np.bincount(read_mask(path, index).ravel(), minlength=256) for path in paths)
    found = {name: int(counts[place]) for place, name in enumerate(classes.names)}
    return found | ({"ignored": int(counts[IGNORE])} if counts[IGNORE] else {})


def decided(folder, masks, named=None, **options):
    paths = written(folder, masks, **options)
    classes = find_classes(paths, named)
    return classes, counts_of(classes, paths)


def test_without_masks_there_is_nothing_to_decide():
    with pytest.raises(DataError, match="None of 0 masks"):
        find_classes([])


ROW = SIDE  # pixels


@pytest.mark.parametrize(
    ("masks", "counts", "note"),
    [
        ([[(0, 64)]], {"background": 64, "foreground": 0}, "0 is background"),
        ([[(255, 64)], [(0, 64)]], {"background": 64, "foreground": 64}, "255 is foreground"),
        ([[(1, 4)], [(255, 6)], [(0, 64)]], {"background": 182, "foreground": 10}, "1 and 255 are foreground"),
        ([[(1, 4)], [(1, 6)]], {"background": 118, "foreground": 10}, "1 is foreground"),
        ([[(65535, 9)], [(255, 1)]], {"background": 118, "foreground": 10}, "255 and 65535 are foreground"),
        ([[(256, 9)]], {"background": 55, "foreground": 9}, "256 is foreground"),
        ([[(7, 9)]], {"background": 55, "foreground": 9}, "7 is foreground"),
        ([[(1, 9), (2, 55)]], {"1": 9, "2": 55}, "1 and 2"),
        ([[(128, 20), (255, 40)]], {"0": 4, "128": 20, "255": 40}, "0, 128 and 255 are 3 classes"),
        ([[(85, 20), (170, 20), (255, 1)]], {"0": 23, "85": 20, "170": 20, "255": 1}, "are 4 classes"),
        ([[(1, 20)]] * 98 + [[(2, 1)]], {"0": 98 * 44 + 63, "1": 98 * 20, "2": 1}, "all 99 masks"),
        ([[(1, 20), (2, 3), (255, 4)]], {"0": 37, "1": 20, "2": 3, "ignored": 4}, "0, 1 and 2 are classes"),
        ([[(1, 20), (255, 4)]], {"background": 40, "foreground": 20, "ignored": 4}, "background and foreground"),
        ([[(500, 9), (600, 3)]], {"0": 52, "500": 9, "600": 3}, "0, 500 and 600 are classes"),
    ],
)
def test_grey_values_without_names(tmp_path, masks, counts, note):
    classes, found = decided(tmp_path, [in_stripes(*one) for one in masks])
    assert found == {name: rows * ROW for name, rows in counts.items()}
    assert classes.problems == () and note in classes.notes[0]
    if "ignored" in counts:
        assert classes.notes[-1].startswith(
            f"pixels of the mask value 255 are ignored: {counts['ignored'] * ROW} of all pixels"
        )


def test_255_is_a_class_where_it_is_common_and_a_finding_names_both_readings(tmp_path):
    classes, found = decided(tmp_path, [in_stripes((1, 10), (2, 10), (255, 30))])
    assert found == {"0": 14 * ROW, "1": 10 * ROW, "2": 10 * ROW, "255": 30 * ROW}
    (problem,) = classes.problems
    assert problem.kind == "mask values" and problem.path.endswith("000.png")
    assert "47%" in problem.detail and "--mask-values 255=ignore" in problem.detail


@pytest.mark.parametrize("tokens", [("255=ignore",), ("255=void",)])
def test_the_remedy_for_255_ignores_it(tmp_path, tokens):
    masks = [in_stripes((1, 10), (2, 10), (255, 30))]
    classes, found = decided(tmp_path, masks, parse_values(tokens))
    assert found == {"0": 14 * ROW, "1": 10 * ROW, "2": 10 * ROW, "ignored": 30 * ROW} and classes.problems == ()
    (tmp_path / "classes.txt").write_text("255 ignore\n")
    assert decided(tmp_path, masks, read_names(tmp_path / "classes.txt"))[1] == found


def test_one_mask_in_two_codes_is_no_binary_mask(tmp_path):
    classes, found = decided(tmp_path, [in_stripes((1, 10)), in_stripes((1, 5), (255, 10))])
    assert found == {"background": 103 * ROW, "foreground": 15 * ROW, "ignored": 10 * ROW} and classes.problems == ()


def test_masks_in_class_numbers_among_masks_in_grey_levels_are_a_finding(tmp_path):
    masks = [in_stripes((1, 10), (2, 10)), in_stripes((127, 10), (255, 10))]
    assert "one name for both" in decided(tmp_path, masks)[0].problems[0].detail
    classes, found = decided(tmp_path, masks, parse_values(["0=sky", "1=road", "127=road", "2=car", "255=car"]))
    assert found == {"sky": 88 * ROW, "road": 20 * ROW, "car": 20 * ROW} and classes.problems == ()


@pytest.mark.parametrize("quality", [40, 75, 95])
@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ([(128, 16), (255, 8)], {"0": 40, "128": 16, "255": 8}),
        ([(80, 16), (160, 16), (240, 8)], {"0": 24, "80": 16, "160": 16, "240": 8}),
        ([(255, 16)], {"background": 48, "foreground": 16}),
    ],
)
def test_jpeg_scatters_around_levels(tmp_path, shares, counts, quality):
    classes, found = decided(tmp_path, [in_stripes(*shares)] * 3, suffix=".jpg", quality=quality)
    assert list(found.values()) == [3 * rows * ROW for rows in counts.values()] and classes.problems == ()
    assert "JPEG" in classes.notes[0]
    assert classes.names == BINARY_NAMES or np.abs(np.array(classes.names, int) - np.array(list(counts), int)).max() <= 2


def test_jpeg_noise_in_png_files_and_thin_lines_in_jpeg(tmp_path):
    buffer = io.BytesIO()
    sharp = in_stripes((128, 20), (255, 11))
    sharp[40:60, 10:30] = 255
    Image.fromarray(sharp).save(buffer, "JPEG", quality=80)
    classes, found = decided(tmp_path, [Image.open(buffer)])
    assert classes.code.nearest and abs(found["255"] - np.count_nonzero(sharp == 255)) < 60
    lines = np.zeros((SIDE, SIDE), np.uint8)
    for x in range(5, 60, 9):
        cv2.line(lines, (x, 3), (x, 60), 255, 2)
    classes, found = decided(tmp_path, [lines], suffix=".jpg", quality=85)
    assert classes.names == BINARY_NAMES and abs(found["foreground"] - np.count_nonzero(lines)) < 80


def test_soft_edges_are_of_the_nearest_level(tmp_path):
    sharp = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(sharp, (20, 20), 12, 128, -1)
    cv2.circle(sharp, (46, 44), 12, 255, -1)
    classes, found = decided(tmp_path, [cv2.resize(sharp, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)])
    assert classes.names == ("0", "128", "255") and "soft edges" in classes.notes[0]
    assert abs(found["128"] / 16 - np.count_nonzero(sharp == 128)) < 40  # and the rim of the white disk
    classes, found = decided(tmp_path, [cv2.GaussianBlur(np.where(sharp, 255, 0).astype(np.uint8), (0, 0), 2)])
    assert classes.names == BINARY_NAMES and abs(found["foreground"] - np.count_nonzero(sharp)) < 60


@pytest.mark.parametrize("shares", [[(1, 20), (2, 20)], [(1, 20), (2, 20), (255, 10)], [(6, 20), (11, 20), (3, 10)]])
def test_jpeg_of_class_numbers_is_an_error_and_never_background(tmp_path, shares):
    with pytest.raises(DataError, match="JPEG, which blurs class numbers"):
        decided(tmp_path, [in_stripes(*shares)], suffix=".jpg", quality=90)


def test_named_values_rescue_masks_that_cannot_be_read_otherwise(tmp_path):
    rng = np.random.default_rng(0)
    noisy = (in_stripes((200, 30)) + rng.integers(0, 40, (SIDE, SIDE))).astype(np.uint8)
    with pytest.raises(DataError, match="gather at levels"):
        decided(tmp_path, [noisy], suffix=".jpg")
    _, found = decided(tmp_path, [noisy], parse_values(["0=sky", "220=tree"]), suffix=".jpg")
    assert found == {"sky": 34 * ROW, "tree": 30 * ROW}
    with pytest.raises(DataError, match="too close to each other"):
        decided(tmp_path, [noisy], parse_values(["0=sky", "2=tree"]), suffix=".jpg")


def test_jpeg_among_files_with_class_numbers_is_an_error(tmp_path):
    paths = written(tmp_path, [in_stripes((255, 20))], suffix=".jpg") + written(tmp_path, [in_stripes((1, 20))])
    with pytest.raises(DataError, match=r"Some masks are JPEG, with the values 0 and 255; the others hold 0 and 1\."):
        find_classes(paths)


@pytest.mark.parametrize(
    "masks",
    [
        [range(1, 9), range(1, 6), range(1, 12)],
        [range(1, 41)] * 3,
        [[3, 70, 900, 4000], [5, 71, 800, 4001], [6, 77, 20000, 60000]],
        [range(1, 30)],
        [[1], [1, 2, 3, 4], [1, 2]],
    ],
)
def test_values_that_number_objects_are_foreground_and_a_finding(tmp_path, masks):
    classes, found = decided(tmp_path, [in_boxes(list(one)) for one in masks])
    objects = sum(map(len, masks))
    assert found == {"background": len(masks) * SIDE * SIDE - 16 * objects, "foreground": 16 * objects}
    (problem,) = classes.problems
    assert (
        "number objects rather than classes" in problem.detail
        and "--mask-values 0=background other=foreground" in problem.detail
    )
    confirmed, again = decided(tmp_path, [in_boxes(list(one)) for one in masks], parse_values(["0=background", "other=cell"]))
    assert confirmed.problems == () and list(again.values()) == list(found.values()) and confirmed.names[1] == "cell"


@pytest.mark.parametrize(
    ("masks", "num_classes"),
    [
        ([[1, 2, 3, 4, 5]] * 9 + [[1, 2, 3]], 6),  # the parts of a heart, of which a slice at its end lacks two
        ([[1, 3, 5], [2, 3, 4], [1, 2, 6], [4, 5, 6]], 7),  # organs
        ([[1, 1, 2, 3, 3], [1, 2, 2], [1, 4, 4, 2], [3, 1, 1]], 5),  # several regions of a class
    ],
)
def test_classes_that_are_one_region_each_are_no_objects(tmp_path, masks, num_classes):
    classes, found = decided(tmp_path, [in_boxes(one) for one in masks])
    assert classes.names == tuple(map(str, range(num_classes))) and classes.problems == ()
    assert [found[str(one)] for one in range(1, num_classes)] == [
        16 * sum(mask.count(one) for mask in masks) for one in range(1, num_classes)
    ]


def test_photographs_with_a_mask_drawn_on_them_are_no_objects(tmp_path, photograph):
    drawn = [photograph[place : place + SIDE, place : place + SIDE].copy() for place in (60, 100, 140)]
    for one in drawn:
        one[10:30, 10:30] = (255, 0, 0)
    with pytest.raises(DataError, match="photographs with masks drawn"):
        decided(tmp_path, drawn)


def test_objects_in_colors_of_their_own_are_foreground(tmp_path):
    rng = np.random.default_rng(3)
    masks = [
        np.append([[0, 0, 0]], rng.integers(1, 256, (30, 3)), axis=0).astype(np.uint8)[in_boxes(range(1, 31))] for _ in "abc"
    ]
    classes, found = decided(tmp_path, masks)
    assert found["foreground"] == 3 * 30 * 16 and "90 colors number objects" in classes.problems[0].detail
    confirmed, again = decided(tmp_path, masks, parse_values(["#000000=background", "other=foreground"]))
    assert again == found and confirmed.problems == ()


@pytest.mark.parametrize("color", [(255, 255, 255), (200, 30, 0)])
@pytest.mark.parametrize("shares", [[(255, 20)], [(128, 20), (255, 30)]])
def test_masks_in_the_alpha_channel(tmp_path, color, shares):
    masks = [Image.fromarray(np.dstack([np.full((SIDE, SIDE, 3), color, np.uint8), in_stripes(*shares)])) for _ in "ab"]
    classes, found = decided(tmp_path, masks)
    assert classes.code.channel == "alpha" and "alpha channel" in classes.notes[0] and classes.problems == ()
    assert list(found.values()) == [
        2 * ROW * rows for rows in (64 - sum(rows for _, rows in shares), *(rows for _, rows in shares))
    ]
    grey = [Image.merge("LA", (Image.new("L", (SIDE, SIDE), 90), one.getchannel("A"))) for one in masks]
    assert decided(tmp_path, grey)[1] == found
    index = Index(classes.names, (), np.zeros(0, np.int32), mask_code=classes.code)
    with pytest.raises(ImageError, match="no alpha channel"):
        read_mask(written(tmp_path, [in_stripes((255, 3))], suffix=".bmp")[0], index)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_masks_in_the_alpha_channel_beside_a_plain_one_are_a_finding(tmp_path, mode):
    plain = Image.fromarray(in_stripes((255, 20)))
    drawn = Image.new(mode, (SIDE, SIDE), "white")
    drawn.putalpha(plain)
    classes, _ = decided(tmp_path, [drawn, drawn, drawn, plain])
    assert ["3 of 4 masks, such as this one, have one color" in problem.detail for problem in classes.problems] == [True]
    opaque = Image.new(mode, (SIDE, SIDE), "white")
    assert decided(tmp_path, [opaque, plain])[0].problems == ()


@pytest.mark.parametrize(("tokens", "findings"), [([], 1), (["0=sky", "1=tree", "2=car"], 1), (["255=ignore"], 0)])
def test_masks_of_255_alone_among_masks_of_class_numbers_are_a_finding(tmp_path, tokens, findings):
    masks = [in_stripes((1, 10), (2, 10))] * 9 + [in_stripes((255, 10))]
    details = [problem.detail for problem in decided(tmp_path, masks, parse_values(tokens))[0].problems]
    assert ["1 mask holds 255 alone beside 0" in detail for detail in details] == [True] * findings
    masks[0] = in_stripes((1, 10), (255, 2))  # a border
    assert decided(tmp_path, masks, parse_values(tokens))[0].problems == ()


def test_alpha_that_says_nothing_is_not_the_mask(tmp_path):
    colors = np.where(in_stripes((255, 20))[..., None], (255, 0, 0), (0, 0, 0))
    masks = [np.dstack([colors, in_stripes((255, alpha))]).astype(np.uint8) for alpha in (64, 20)]
    assert decided(tmp_path, masks)[1] == {"#000000": 88 * ROW, "#ff0000": 40 * ROW}


def palette_mask(numbers, colors):
    image = Image.fromarray(numbers.astype(np.uint8)).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([channel for color in colors for channel in color])
    return image


def test_palettes_that_contradict_each_other_are_read_by_color(tmp_path):
    black, red, white = (0, 0, 0), (255, 0, 0), (255, 255, 255)
    numbers = in_stripes((1, 20))
    masks = [palette_mask(numbers, colors) for colors in ([black, red], [red, black], [black, red], [black, red])]
    assert decided(tmp_path, masks)[1] == {"#000000": (3 * 44 + 20) * ROW, "#ff0000": (3 * 20 + 44) * ROW}
    white_first = palette_mask(numbers, [white, black])
    assert decided(tmp_path, [white_first])[1] == {"background": 20 * ROW, "foreground": 44 * ROW}


def test_colors_among_grey_masks_are_never_silent(tmp_path):
    colored = in_stripes(((255, 0, 0), 20))
    masks = [in_stripes((1, 20), (2, 3))] * 3 + [Image.fromarray(colored)]
    paths = written(tmp_path, [one if isinstance(one, Image.Image) else Image.fromarray(one) for one in masks])
    classes = find_classes(paths)
    assert counts_of(classes, paths[:3]) == {"0": 123 * ROW, "1": 60 * ROW, "2": 9 * ROW}
    with pytest.raises(ImageError, match="the mask has colors"):
        counts_of(classes, paths[3:])
    classes = find_classes([paths[0], paths[3]])
    assert classes.names == ("#000000", "#ff0000") and "hold grey values" in classes.problems[0].detail
    assert decided(tmp_path, [colored, in_stripes((255, 3))])[0].problems == ()  # white and black are colors, too


@pytest.mark.parametrize(
    ("lines", "shares", "counts", "findings"),
    [
        ("background\ncell\nnucleus\n", [(128, 20), (255, 30)], {"background": 14, "cell": 20, "nucleus": 30}, 0),
        ("cell\nnucleus\nmembrane\n", [(1, 20), (2, 30), (3, 14)], {"cell": 20, "nucleus": 30, "membrane": 14}, 0),
        ("128 cell\n0: background\n255,nucleus\n", [(128, 20), (255, 30)], {"cell": 20, "background": 14, "nucleus": 30}, 0),
        ("0 background\n128 cell\n255 ignore\n", [(128, 20), (255, 30)], {"background": 14, "cell": 20, "ignored": 30}, 0),
        ("cell\n", [(255, 20)], {"background": 44, "cell": 20}, 0),
        ("a\nb\nc\n", [(1, 20), (255, 4)], {"a": 40, "b": 20, "c": 0, "ignored": 4}, 0),
        ("a\nb\nc\n", [(1, 20), (255, 30)], {"a": 14, "b": 20, "c": 0, "ignored": 30}, 1),
        ("a\nb\nc\n", [(255, 4)], {"a": 60, "b": 0, "c": 0, "ignored": 4}, 1),
        ("a\nb\nc\n", [(1, 20), (2, 10), (3, 10)], {"a": 24, "b": 20, "c": 10, "ignored": 10}, 1),
        ("a\nb\n", [(100, 20), (200, 10)], {"a": 34, "b": 0, "ignored": 30}, 1),
        ("value,class\n0,sky\n2,car\n1,tree\n", [(1, 20), (2, 4)], {"sky": 40, "car": 4, "tree": 20}, 0),
        ("sky\ntree\n", [(1, 20), (2, 4)], {"sky": 40, "tree": 20, "ignored": 4}, 1),
        ("background\ntree\n", [(1, 20), (2, 4)], {"background": 40, "tree": 20, "ignored": 4}, 1),
        ("background,tree,car\n", [(1, 20), (2, 4)], {"background": 40, "tree": 20, "car": 4}, 0),
        ("car 2\ntree 1\nsky 0\n", [(1, 20), (2, 4)], {"car": 4, "tree": 20, "sky": 40}, 0),
        ("name\nsky\ntree\n", [(1, 20)], {"name": 44, "sky": 20, "tree": 0}, 1),
        ("0 sky\n1000 tree\n65535 car\n", [(1000, 20), (65535, 10)], {"sky": 34, "tree": 20, "car": 10}, 0),
        ("0 sky\n1 tree\n", [(1, 20), (255, 30)], {"sky": 14, "tree": 20, "ignored": 30}, 1),
    ],
)
def test_names_from_a_file(tmp_path, lines, shares, counts, findings):
    (tmp_path / "classes.txt").write_text(lines)
    classes, found = decided(tmp_path, [in_stripes(*shares)], read_names(tmp_path / "classes.txt"))
    assert found == {name: rows * (ROW if rows else 0) for name, rows in counts.items()}
    assert [problem.kind for problem in classes.problems] == ["mask values"] * findings, classes.problems


def test_jpeg_masks_with_as_many_names_as_levels(tmp_path):
    named = NamedClasses(("background", "cell", "nucleus"), source="classes.txt")
    masks = [in_stripes((128, 16), (255, 32))]
    found = decided(tmp_path, masks, named, suffix=".jpg")[1]
    assert found == {"background": 16 * ROW, "cell": 16 * ROW, "nucleus": 32 * ROW}
    with pytest.raises(DataError, match="JPEG"):
        decided(tmp_path, masks, NamedClasses(("a", "b", "c", "d")), suffix=".jpg")


def test_a_background_that_a_list_of_colors_lacks(tmp_path):
    mask = in_stripes(((255, 0, 0), 20), ((0, 255, 0), 10))
    named = parse_values(["#ff0000=road", "#00ff00=tree"])
    classes, found = decided(tmp_path, [mask], named)
    assert found == {"road": 20 * ROW, "tree": 10 * ROW, "ignored": 34 * ROW}
    assert "#000000 makes up 53%" in classes.problems[0].detail
    found = decided(tmp_path, [in_stripes(((255, 0, 0), 20))], parse_values(["#ff0000=road"]))[1]
    assert found == {"background": 44 * ROW, "road": 20 * ROW}


def test_a_value_that_an_option_forgets_is_a_finding_unless_it_is_a_trace(tmp_path):
    forgotten = in_stripes((128, 20))
    forgotten[-1, :2] = 7
    classes, found = decided(tmp_path, [forgotten], parse_values(["0=sky", "255=road"]))
    assert found["ignored"] == 20 * ROW + 2
    assert ["128 makes up 31%" in problem.detail for problem in classes.problems] == [True]


@pytest.mark.parametrize(("num_masks", "findings"), [(1, 0), (2, 1)])
def test_a_rare_value_without_a_name_is_a_finding_where_several_masks_have_it(tmp_path, num_masks, findings):
    rare, named = in_stripes((1, 20)), NamedClasses(("background", "tree"), source="classes.txt")
    rare[-1, :2] = 5
    details = [problem.detail for problem in decided(tmp_path, [in_stripes((1, 20))] + [rare] * num_masks, named)[0].problems]
    assert ["0, 1 and 5" in detail and "(0.0% of all pixels)" in detail for detail in details] == [True] * findings


def test_many_colors_without_a_name_are_one_finding(tmp_path):
    soft = in_stripes(((255, 0, 0), 20))
    for row in range(6):
        soft[20 + row] = (200 - 20 * row, 0, 0)
    (problem,) = decided(tmp_path, [soft], parse_values(["#000000=sky", "#ff0000=road"]))[0].problems
    assert "6 other colors, such as #640000, #780000 and #8c0000, make up 9.4% of all pixels" in problem.detail


ROAD_FIRST = (("road", "background"), [[255] * 3, [0] * 3])


@pytest.mark.parametrize(
    ("names", "colors", "rows", "suffix", "expected"),
    [
        (*ROAD_FIRST, [(255, 20)], ".png", {"road": 20, "background": 44}),
        (*ROAD_FIRST, [(255, 20)], ".jpg", {"road": 20, "background": 44}),
        (*ROAD_FIRST, [(1, 20)], ".png", {"road": 20, "background": 44}),
        (*ROAD_FIRST, [(0, 64)], ".png", {"road": 0, "background": 64}),
        (("c", "a", "b"), [[200] * 3, [0] * 3, [100] * 3], [(100, 5), (200, 9)], ".png", {"a": 50, "b": 5, "c": 9}),
        (("a", "b", "c"), [[0] * 3, [100] * 3, [200] * 3], [(1, 5), (2, 9)], ".png", {"a": 50, "b": 5, "c": 9}),
    ],
)
def test_grey_values_are_those_of_the_grey_colors_of_a_list_whatever_their_order(
    tmp_path, names, colors, rows, suffix, expected
):
    named = NamedClasses(names, np.array(colors, np.uint8), source="class_dict.csv")
    options = {"quality": 95} if suffix == ".jpg" else {}
    _, found = decided(tmp_path, [in_stripes(*rows)] * 2, named, suffix=suffix, **options)
    tolerance = SIDE if suffix == ".jpg" else 0
    assert {name: pytest.approx(2 * ROW * count, abs=tolerance) for name, count in expected.items()} == found


def test_names_without_colors_do_not_fit_masks_in_colors(tmp_path):
    with pytest.raises(DataError, match="names grey values, but the masks have colors"):
        decided(tmp_path, [in_stripes(((255, 0, 0), 20))], parse_values(["0=sky", "1=road"]))
    classes, _ = decided(tmp_path, [in_stripes(((255, 0, 0), 20))], NamedClasses(("sky", "road"), source="classes.txt"))
    assert classes.names == ("#000000", "#ff0000") and "its names are not used" in classes.problems[0].detail


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["cell"], "'cell' is none"),
        (["=cell"], "is none"),
        (["1="], "is none"),
        (["1=a", "01=b"], "1 is named twice"),
        (["1=a", "#ff0000=b"], "numbers and colors"),
        (["other=a"], "only other values"),
        (["70000=a"], "at most 65535"),
        (["#ff00=a"], "is none"),
        (["0=sky,1=road"], "in '0=sky,1=road', blanks must divide them, not commas"),
        (["0=sky,", "1=road"], "in '0=sky,', blanks"),
    ],
)
def test_a_misspelt_option_is_one_clear_error(tokens, message):
    assert parse_values([]) is None
    with pytest.raises(UserError, match=message):
        parse_values(tokens)


def test_a_grey_photograph_and_too_many_classes_are_errors(tmp_path, photograph):
    with pytest.raises(DataError, match="hardly any area"):
        decided(tmp_path, [np.asarray(Image.fromarray(photograph).convert("L"))])
    blocks = np.kron(np.tile(np.arange(400).reshape(20, 20), 2), np.ones((9, 9))).astype(np.uint16)
    with pytest.raises(DataError, match="at most 255 classes"):
        decided(tmp_path, [blocks, blocks[::-1]])
    with pytest.raises(DataError, match="from 0 on"):
        decided(tmp_path, [Image.fromarray(np.full((9, 9), -3, np.int32))], suffix=".tif")


def test_whole_floats_and_32_bits(tmp_path):
    whole = in_stripes((1, 20), (2, 10)).astype(np.float32)
    assert decided(tmp_path, [whole], suffix=".tif")[1] == {"0": 34 * ROW, "1": 20 * ROW, "2": 10 * ROW}
    assert decided(tmp_path, [whole.astype(np.int32) * 40_000], suffix=".tif")[1] == {
        "0": 34 * ROW,
        "40000": 20 * ROW,
        "80000": 10 * ROW,
    }
    with pytest.raises(DataError, match="fractions"):
        decided(tmp_path, [whole / 3], suffix=".tif")


def test_broken_masks_are_left_to_be_reported_when_they_are_read(tmp_path):
    paths = written(tmp_path, [in_stripes((255, 3))] * 3)
    (tmp_path / "001.png").write_bytes(b"no image")
    assert find_classes(paths).notes == (
        "mask values: 0 is background, 255 is foreground (2 of 3 masks, the others cannot be read)",
    )


def test_a_code_survives_json():
    code = MaskCode(np.array([0, 65535]), np.array([1, IGNORE], np.uint8), "alpha", True, 1)
    again = MaskCode.from_plain(code.to_plain())
    assert again.to_plain() == code.to_plain() and again.values.dtype == np.int64 and again.classes.dtype == np.uint8


def test_lossy_webp_is_no_list_of_tinted_colors(tmp_path):
    mask = in_boxes(range(1, 40)) > 0
    with pytest.raises(DataError, match="lossy WebP"):
        decided(tmp_path, [np.where(mask, 3, 0).astype(np.uint8)], suffix=".webp", quality=60)
    found = decided(tmp_path, [in_stripes((1, 20), (2, 10))], suffix=".webp", lossless=True)[1]
    assert found == {"0": 34 * ROW, "1": 20 * ROW, "2": 10 * ROW}
    named = parse_values(["0=sky", "255=cloud"])
    assert decided(tmp_path, [in_stripes((255, 32))], named, suffix=".webp", quality=80)[1] == {
        "sky": 32 * ROW,
        "cloud": 32 * ROW,
    }


@pytest.mark.parametrize("tokens", [("0=sky", "1=car", "other=ignore"), ("0=sky", "1=car")])
def test_all_values_of_16_bits_are_looked_up_once(tmp_path, tokens):
    pixels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert decided(tmp_path, [pixels], parse_values(tokens))[1] == {"sky": 1, "car": 1, "ignored": 65534}
