"""An image is painted, as a run does it: with a progress bar, a history, frames of the way, and a state to go on from."""

import io
import json
import time
import zipfile
from collections.abc import Sequence

import numpy as np
from PIL import Image
from tqdm import tqdm

from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.tasks.style_transfer.descent import How, Progress, resized, stretched, stylize
from visionkit.tasks.style_transfer.objective import Loss, LossWeights, Maps
from visionkit.tasks.style_transfer.plan import Colors, Inputs
from visionkit.training.run_folder import RunFolder
from visionkit.viz.labels import image_png

RESULT, STATE = "stylized.png", "painting.npz"
KEPT_EVERY = 20.0  # seconds between states that are written
FRAMES, FRAME_SIDE, FRAME_MILLISECONDS = 48, 360, 90  # of the way: at most so many, so large, so long


class Painting:
    """One image in the making.

    Args:
        run: takes ``stylized.png``, and the state from which an interrupted run goes on.
        inputs: content, styles, masks.
        colors: whose colors the result has.
        how: scales and optimizer.

    Attributes:
        history: rows of ``history.csv``, one for every step.
        frames: images of the way, uint8 ``(h, w, 3)``.
        painted: the result before it has its final colors, uint8 ``(h, w, 3)``; None before there is one.
    """

    def __init__(self, run: RunFolder, inputs: Inputs, colors: Colors, how: How):
        self.history: list[dict] = []
        self.frames: list[np.ndarray] = []
        self.painted: np.ndarray | None = None
        self._run, self._inputs, self._colors, self._how = run, inputs, colors, how
        self._last: Progress | None = None
        self._kept_at = time.monotonic()
        counts = [scale.steps for scale in how.scales]
        self._before = [sum(counts[:number]) for number in range(len(counts))]
        self._total = sum(counts)

    def paint(self, maps: Maps, shares: LossWeights) -> np.ndarray:
        """The whole way, or what is left of it: uint8 ``(h, w, 3)``.

        Raises:
            KeyboardInterrupt: after the image as it is was written.
        """
        begin = self._read()
        wanted, content = self._inputs.wanted(self._colors), self._inputs.seen_content(self._colors)
        with tqdm(total=self._total, desc="painting", unit=" steps") as bar:
            try:
                watched = {"watch": lambda now: self._watch(now, bar), "begin": begin}
                painted = stylize(content, wanted, maps, self._how, shares, **watched)
            except KeyboardInterrupt:
                if self._last is not None:
                    self._keep()
                    bar.write(f"The image so far: {self._run.path / RESULT}")
                raise
        self._keep()  # a run that goes on with a network need not paint again
        self.painted, finished = painted, self._finished(painted)
        self._write(finished)
        return finished

    def content_as_large(self) -> np.ndarray:
        """The content image at the size of the result, uint8."""
        return resized(self._inputs.content, self._how.scales[-1].side).round().astype(np.uint8)

    def _watch(self, now: Progress, bar: tqdm) -> None:
        self._last, side = now, self._how.scales[now.scale].side
        done = min(self._before[now.scale] + now.step, self._total)
        bar.update(done - bar.n)
        loss = now.loss
        bar.set_postfix_str(f"{side} px: loss {loss.total:.4g}, content {loss.content_loss:.3g}, style {loss.style_loss:.3g}")
        row = _row(f"{side} px", now.step, loss, self._run.seconds())
        if self.history and all(self.history[-1][name] == row[name] for name in ("phase", "epoch")):
            self.history.pop()  # a work that goes on tells again where it is
        self.history.append(row)
        if len(self.frames) < FRAMES and done >= len(self.frames) * self._total / (FRAMES - 1):
            self.frames.append(self._finished(now.image, FRAME_SIDE))
        if time.monotonic() - self._kept_at > KEPT_EVERY:
            self._keep()

    def _finished(self, painted: np.ndarray, side: int | None = None) -> np.ndarray:
        """As people see it, at the size of the result or with its longer side of ``side`` pixels."""
        content = self.content_as_large()
        if side is not None and side < max(content.shape[:2]):
            content = resized(self._inputs.content, side).round().astype(np.uint8)
        painted = painted if painted.shape == content.shape else stretched(painted, content)
        return self._inputs.finished(painted.round().clip(0, 255).astype(np.uint8), content, self._colors)

    def _keep(self) -> None:
        """Write the image as it is, and the state."""
        now = self._last
        arrays = {f"state_{number}": each for number, each in enumerate(now.state())}
        arrays |= {f"frame_{number:03d}": each for number, each in enumerate(self.frames)}
        known = {
            "scale": now.scale,
            "step": now.step,
            "loss": now.loss,
            "history": self.history,
            "seconds": self._run.seconds(),
        }
        buffer = io.BytesIO()
        np.savez(buffer, known=np.array(json.dumps(known)), image=now.image, **arrays)
        write_atomically(self._run.path / STATE, buffer.getvalue())
        self._write(self._finished(now.image))
        self._kept_at = time.monotonic()

    def _read(self) -> Progress | None:
        """Where an interrupted run goes on; None at the beginning."""
        file = self._run.path / STATE
        if not file.is_file():
            return None
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            known = json.loads(str(arrays["known"]))
            state = tuple(arrays[f"state_{number}"] for number in range(sum(name.startswith("state_") for name in arrays)))
            self.frames = [arrays[name] for name in sorted(arrays) if name.startswith("frame_")]
            self.history = known["history"]
            self._run.count_from(known["seconds"])
            return Progress(known["scale"], known["step"], Loss(*known["loss"]), arrays["image"], lambda: state)
        except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise UserError(f"{file} is damaged ({error}); delete it to paint anew.") from error

    def _write(self, image: np.ndarray) -> None:
        write_atomically(self._run.path / RESULT, image_png(image))


def gif(frames: Sequence[np.ndarray]) -> bytes:
    """Frames of one size, at least one, as an animation that begins anew after its last frame, which stays longest."""
    images = [Image.fromarray(frame).quantize(128, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    durations = [FRAME_MILLISECONDS] * (len(images) - 1) + [20 * FRAME_MILLISECONDS]
    buffer = io.BytesIO()
    images[0].save(buffer, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return buffer.getvalue()


def _row(phase: str, step: int, loss: Loss, seconds: float) -> dict:
    named = {"loss": loss.total, "content_loss": loss.content_loss, "style_loss": loss.style_loss}
    return {
        "phase": phase,
        "epoch": step,
        **{name: round(value, 6) for name, value in named.items()},
        "seconds": round(seconds, 2),
    }
