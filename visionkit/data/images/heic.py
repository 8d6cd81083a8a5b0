"""HEIC images, as iPhones write them, and AVIF images; both are known by their contents, whatever their names say."""

import io

from PIL import Image

from visionkit.data.images.contents import ImageError

HEIC_BRANDS = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"])
AVIF_BRANDS = frozenset([b"avif", b"avis"])
CONVERT = "convert it (heif-convert; an iPhone itself takes JPEGs with Settings > Camera > Formats > Most Compatible)"


def kind_of(contents: bytes) -> str | None:
    """HEIC or AVIF by the brands that a file declares in its first box; None for other files."""
    if contents[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(contents[:4], "big"), 512, len(contents))
    brands = {contents[8:12], *(contents[start : start + 4] for start in range(16, end, 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & HEIC_BRANDS else None


def open_heic(contents: bytes) -> Image.Image:
    """The lazily opened image, already upright: its decoder turns it.

    Raises:
        ImageError: the file is damaged, or pillow-heif is not installed.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise ImageError(f"a HEIC image, whatever its name says: pip install 'visionkit[heic]', or {CONVERT}") from error
    try:
        return HeifImageFile(io.BytesIO(contents))
    except Exception as error:  # SyntaxError, OSError, ValueError, ...
        raise ImageError(f"damaged HEIC file ({error})") from error
