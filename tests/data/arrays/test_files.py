"""Signals and volumes from files, and files that are neither."""

import gzip
import pickle

import nibabel
import numpy as np
import pytest
from PIL import Image

from visionkit.data.arrays.files import (
    ArrayError,
    cells_of,
    cube_around,
    fitted,
    is_number,
    list_arrays,
    read_array,
    read_labels,
)


def nifti(path, array, affine=None):
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def tiff(path, pages, **options):
    first, *others = map(Image.fromarray, pages)
    first.save(path, "TIFF", save_all=True, append_images=others, **options)
    return path


def test_an_empty_folder_has_no_arrays_and_an_empty_file_is_none(tmp_path):
    assert list_arrays(tmp_path, "signal") == []
    for name, kind in (("a.npy", "signal"), ("a.txt", "signal"), ("a.nii.gz", "volume"), ("a.npy", "volume")):
        (tmp_path / name).touch()
        with pytest.raises(ArrayError, match="empty file"):
            read_array(tmp_path / name, kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 2 3", [[1], [2], [3]]),
        ("1,2,3,\n", [[1], [2], [3]]),
        ("# made by hand\n\nvolts\n1\n2\n\n3\n", [[1], [2], [3]]),
        ("lead one;lead two\n1;2\n3;4e0\n", [[1, 2], [3, 4]]),
        ("1\t-.5", [[1], [-0.5]]),
    ],
)
def test_signals_in_text(tmp_path, text, expected):
    (tmp_path / "a.txt").write_text(text)
    signal = read_array(tmp_path / "a.txt", "signal")
    assert signal.dtype == np.float32
    np.testing.assert_array_equal(signal, expected)


def test_arrays_get_channels(tmp_path):
    for shape, kind, expected in (((5,), "signal", (5, 1)), ((5, 2), "signal", (5, 2)), ((3, 4, 5), "volume", (3, 4, 5, 1))):
        np.save(tmp_path / "a.npy", np.ones(shape, np.uint8))
        assert read_array(tmp_path / "a.npy", kind).shape == expected


def test_volumes_are_reoriented_however_they_were_stored(tmp_path, rng):
    voxels = rng.normal(size=(4, 5, 6)).astype("float32")
    plain = read_array(nifti(tmp_path / "a.nii.gz", voxels), "volume")
    turned = np.array([[0, 0, -1, 9], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)  # left, then front, then top
    again = read_array(nifti(tmp_path / "b.nii", np.moveaxis(voxels, 0, 2)[:, :, ::-1], turned), "volume")
    np.testing.assert_array_equal(plain[..., 0], voxels)
    np.testing.assert_array_equal(again, plain)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "bool"])
def test_pages_of_a_stack_are_the_first_axis(tmp_path, rng, dtype):
    pages = rng.integers(0, 2 if dtype == "bool" else 200, (3, 4, 5)).astype(dtype)
    stack = read_array(tiff(tmp_path / "a.TIF", pages, compression="tiff_lzw"), "volume")
    np.testing.assert_array_equal(stack[..., 0], pages.astype("float32"))


def test_a_stack_may_have_colors_or_a_palette_whose_indices_are_read(tmp_path, rng):
    colors = rng.integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_array(tiff(tmp_path / "a.tif", colors), "volume"), colors)
    page = Image.fromarray(colors[0, ..., 0] % 4, "L")
    page.putpalette([9, 9, 9] * 256)
    page.save(tmp_path / "b.tif", save_all=True, append_images=[page])
    np.testing.assert_array_equal(read_labels(tmp_path / "b.tif")[1], colors[0, ..., 0] % 4)


def test_tiff_images_are_not_volumes(tmp_path, rng):
    pages = rng.integers(0, 256, (3, 40, 50), dtype=np.uint8)
    tiff(tmp_path / "image.tif", pages[:1])
    whole = tiff(tmp_path / "stack.tif", pages).read_bytes()
    (tmp_path / "broken.tif").write_bytes(whole[:2000])
    tiff(tmp_path / "uneven.tif", [pages[0], pages[0, :20]])
    assert [path.name for path in list_arrays(tmp_path, "volume")] == ["broken.tif", "stack.tif", "uneven.tif"]
    for name, reason in (("image", "one page"), ("broken", "damaged TIFF"), ("uneven", "different sizes")):
        with pytest.raises(ArrayError, match=reason):
            read_array(tmp_path / f"{name}.tif", "volume")


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def broken_files(folder):
    """Name -> contents and a part of the reason."""
    np.save(folder / "sound.npy", np.ones((4, 5, 6), np.float32))
    np.savez(folder / "archive.npz", np.ones(3))
    nifti(folder / "sound.nii.gz", np.random.default_rng(0).normal(size=(9, 9, 9)).astype("float32"))
    sound, zipped = (folder / "sound.npy").read_bytes(), (folder / "sound.nii.gz").read_bytes()
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99), }"
    return {
        "cut.npy": (sound[:200], "not a .npy"),
        "text.npy": (b"1 2 3", "not a .npy"),
        "boast.npy": (header.ljust(127) + b"\n", "not a .npy"),
        "zip.npy": ((folder / "archive.npz").read_bytes(), "archive"),
        "pickled.npy": (pickle.dumps(Evil()), "not a .npy"),
        "cut.nii.gz": (zipped[: len(zipped) // 2], "damaged NIfTI"),
        "text.nii.gz": (b"no scan", "NIfTI"),
        "zipped text.nii.gz": (gzip.compress(b"no scan"), "NIfTI"),
        "plain.nii": (b"x" * 400, "NIfTI"),
        "rank.npy": (None, "shape"),
        "nan.npy": (None, "finite"),
        "objects.npy": (None, "not a .npy"),
    }


def test_broken_files_are_reported_and_nothing_is_executed(tmp_path, capsys):
    np.save(tmp_path / "rank.npy", np.ones((2, 2)))
    np.save(tmp_path / "nan.npy", np.full((2, 2, 2), np.nan))
    np.save(tmp_path / "objects.npy", np.array([Evil()]), allow_pickle=True)
    for name, (contents, reason) in broken_files(tmp_path).items():
        if contents is not None:
            (tmp_path / name).write_bytes(contents)
        with pytest.raises(ArrayError, match=reason):
            read_array(tmp_path / name, "volume")
    with pytest.raises(ArrayError, match="No such file"):
        read_array(tmp_path / "nowhere.npy", "volume")
    with pytest.raises(ArrayError, match="by its name"):
        read_array(tmp_path / "cat.jpg", "volume")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "reason"), [("1 2\n3", "line 2 has 1"), ("1\ntwo", "line 2"), ("a,b", "no line"), ("1 inf", "finite")]
)
def test_text_that_is_not_a_signal(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ArrayError, match=reason):
        read_array(tmp_path / "a.csv", "signal")


def test_cells_and_numbers():
    assert cells_of("") == cells_of("  # note") == [] and cells_of("a, b ,") == ["a", "b"]
    assert all(map(is_number, ("1", "-1.", ".5", "1e-3", "NaN"))) and not any(map(is_number, ("", "a", "1e", "0x1", "1_0")))


def test_fitting_resamples_resizes_and_crops():
    signal = np.arange(5, dtype=np.float32)[:, None]
    np.testing.assert_allclose(fitted(signal, (9, 1), "resample")[:, 0], np.arange(9) / 2)
    volume = np.arange(64, dtype=np.float32).reshape(4, 4, 4, 1)
    assert fitted(volume, (4, 4, 4, 1), "resize") is volume
    assert fitted(volume, (8, 8, 8, 1), "resize").mean() == pytest.approx(volume.mean(), rel=0.01)
    np.testing.assert_array_equal(fitted(volume, (2, 2, 2, 1), "crop"), volume[1:3, 1:3, 1:3])
    with pytest.raises(ArrayError, match="1 channels; expected 2"):
        fitted(signal, (5, 2), "resample")


def test_a_cube_has_its_center_in_the_middle_and_the_border_around_it():
    volume = np.arange(27, dtype=np.float32).reshape(3, 3, 3, 1)
    assert cube_around(volume, [2, 0, 1], [4, 4, 4])[2, 2, 2, 0] == volume[2, 0, 1, 0]
    assert cube_around(volume, [0, 0, 0], [4, 4, 4])[0, 0, 0, 0] == volume[0, 0, 0, 0]
