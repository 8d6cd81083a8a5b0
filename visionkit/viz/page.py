"""Pages of one file with everything inside: how they are filled, what stands in them as an image, how they are written."""

import base64
import io
import os
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image


def write_page(path: str | Path, package: str, template: str, **values: Any) -> Path:
    """Fill a template and write the page atomically.

    Args:
        path: the page to write.
        package: where the template is looked for; what it extends or includes may also be in ``visionkit.viz``.
        template: a file of that package.
        values: what the template shows.

    Returns:
        its path.
    """
    places = [jinja2.PackageLoader(name, ".") for name in (package, "visionkit.viz")]
    environment = jinja2.Environment(loader=jinja2.ChoiceLoader(places), autoescape=True)
    page = environment.get_template(template).render(**values)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.unfinished")
    beside.write_text(page, encoding="utf-8", errors="backslashreplace")  # file names need not be UTF-8
    os.replace(beside, path)
    return path


def inline(contents: bytes, kind: str = "png") -> str:
    """An image file as a URL."""
    return f"data:image/{kind};base64,{base64.b64encode(contents).decode()}"


def inline_jpeg(image: Image.Image) -> str:
    """An image as the URL of a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return inline(buffer.getvalue(), "jpeg")
