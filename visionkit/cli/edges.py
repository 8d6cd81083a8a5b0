"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

from pathlib import Path

import tyro

from visionkit.errors import UserError


def edges(image: tyro.conf.Positional[Path | None] = None, *, out: Path, side: int = 256) -> int:
    """Draw what edge filters find in an image: vertical, horizontal, Sobel, Scharr, 45 degrees, length and direction.

    Args:
        image: Any image file. Default: a photograph that scikit-image brings along.
        out: The image to write: .png, .jpg, .webp, ...
        side: Longer side in pixels at which the image is filtered and shown.

    Returns:
        the exit status.
    """
    if not 160 <= side <= 1024:
        raise UserError(f"--side {side}: expected 160 to 1024 pixels.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.images.decode import ImageError, read_image
    from visionkit.viz.augmentation_grid import check_target, save
    from visionkit.viz.edge_figure import bundled_photograph, edge_figure

    check_target(out)
    try:
        photograph = bundled_photograph() if image is None else read_image(image)
    except ImageError as error:
        raise UserError(f"{image} cannot be read: {error}.") from error
    save(edge_figure(photograph, side), out)
    print(out)
    return 0
