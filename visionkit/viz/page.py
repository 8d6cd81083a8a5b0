"""Self-contained HTML pages: fill a template, embed images, write the file."""

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from visionkit.files import write_atomically
from visionkit.outputs import MARK
from visionkit.printable import without_commands


def write_page(path: str | Path, package: str, template: str, **values: Any) -> Path:
    """Fill a template and write the page atomically.

    Args:
        path: the page to write.
        package: package that holds the template; templates it extends or includes may also be in ``visionkit.viz``.
        template: file name in that package.
        values: variables of the template.

    Returns:
        its path.
    """
    loaders = [jinja2.PackageLoader(name, ".") for name in (package, "visionkit.viz")]
    environment = jinja2.Environment(loader=jinja2.ChoiceLoader(loaders), autoescape=True)
    page = environment.get_template(template).render(**values)
    page = page.replace("<head>", f'<head>\n<meta name="generator" content="{MARK}">', 1)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, without_commands(page).encode())
    return path


def inline(contents: bytes, kind: str = "png") -> str:
    """Encode the bytes of an image file as a URL."""
    return f"data:image/{kind};base64,{base64.b64encode(contents).decode()}"


def inline_jpeg(image: Image.Image) -> str:
    """Encode an image as the URL of a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=85)
    return inline(buffer.getvalue(), "jpeg")
