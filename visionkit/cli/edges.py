"""``visionkit edges``. Heavy modules are imported when the command runs."""

from pathlib import Path

import tyro

from visionkit.cli.arguments import check_between
from visionkit.cli.output import say
from visionkit.errors import UserError


def edges(image: tyro.conf.Positional[Path | None] = None, *, out: Path, side: int = 256) -> int:
    """Draw the responses of edge filters to an image: vertical, horizontal, Sobel, Scharr, 45 degrees, magnitude and direction.

    Args:
        image: Any image file. Default: a photograph from scikit-image.
        out: The image to write: .png, .jpg, .webp, ...
        side: Longer side in pixels at which the image is filtered and shown.

    Returns:
        the exit status.
    """
    check_between("side", side, 160, 1024)
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.images.decode import ImageError, read_image
    from visionkit.viz.augmentation_grid import check_target, save
    from visionkit.viz.edge_figure import bundled_photograph, edge_figure

    out = check_target(out, [] if image is None else [image])
    try:
        photograph = bundled_photograph() if image is None else read_image(image)
    except ImageError as error:
        raise UserError(f"{image} cannot be read: {error}.") from error
    save(edge_figure(photograph, side), out)
    say(out)
    return 0
