"""Drawings are named after their images."""

from visionkit.inference.output import drawing_names


def test_drawings_of_one_name_get_numbers():
    assert drawing_names([]) == []
    assert drawing_names(["a/cat.jpg", "b/cat.png", "dog.gif", "cat_2.jpg"]) == [
        "cat.png",
        "cat_2.png",
        "dog.png",
        "cat_2_2.png",
    ]
