"""One image painted by a run: with a progress bar, a history, frames, and a state from which to resume."""

import io
import json
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image
from tqdm import tqdm

from visionkit.printable import duration, number
from visionkit.progress import bar
from visionkit.tasks.style_transfer.descent import (
    DescentSettings,
    PreparedScale,
    Progress,
    prepare_scale,
    resize,
    resize_like,
    stylize,
)
from visionkit.tasks.style_transfer.objective import FeatureExtractor, Loss, LossWeights
from visionkit.tasks.style_transfer.plan import Colors, Inputs
from visionkit.training.run_folder import RunFolder
from visionkit.viz.labels import image_png

RESULT, PAINTING = "stylized.png", "painting.npz"  # in the folder of a run: the image, and the state
SAVE_EVERY = 20.0  # seconds between writes of the state
FRAMES, FRAME_SIDE, FRAME_MILLISECONDS = 48, 360, 90  # frames at most; their longer side in pixels; duration of each


class Painting:
    """The painting of one image.

    Args:
        run: takes ``stylized.png``, and the state from which an interrupted run resumes.
        inputs: content image, styles, masks.
        colors: whose colors the result has.
        settings: of the descent.

    Attributes:
        history: rows of ``history.csv``, one for each step.
        frames: intermediate images, uint8 ``(h, w, 3)``.
        painted: the result before its colors are restored, uint8 ``(h, w, 3)``; None before ``paint``.
        result: the result, uint8 ``(h, w, 3)``; None before ``paint``.
        seconds: how long the run has taken when the image is painted.
    """

    def __init__(self, run: RunFolder, inputs: Inputs, colors: Colors, settings: DescentSettings):
        self.history: list[dict] = []
        self.frames: list[np.ndarray] = []
        self.painted: np.ndarray | None = None
        self.result: np.ndarray | None = None
        self.seconds = 0.0
        self._run, self._inputs, self._colors, self._settings = run, inputs, colors, settings
        self._last: Progress | None = None
        self._saved_at = time.monotonic()
        counts = [scale.steps for scale in settings.scales]
        self._steps_before = [sum(counts[:number]) for number in range(len(counts))]
        self._total = sum(counts)

    def paint(self, extractor: FeatureExtractor, weights: LossWeights) -> np.ndarray:
        """Paint the image, or what is left to do after an interruption: uint8 ``(h, w, 3)``.

        Raises:
            KeyboardInterrupt: the image as it is has been written.
        """
        resume_from = self._read_state()
        was_whole = bool(self.history) and self._done(resume_from) == self._total
        self._show_page(self._done(resume_from))
        content, styles = self._inputs.content_to_paint(self._colors), self._inputs.style_images(self._colors)
        with bar(total=self._total, description="painting") as shown:
            options = {"callback": lambda progress: self._on_step(progress, shown), "resume_from": resume_from}
            try:
                self.painted = stylize(content, styles, extractor, self._settings, weights, **options)
            except KeyboardInterrupt:
                if self._last is not None:
                    self._save()
                    self._run.say(f"The image so far: {self._run.path / RESULT}")
                raise
        if self.history and not was_whole:
            self._end_scale()
            if self._run.watch is not None:
                self._run.watch.log_steps("painting", self.history)
        self._save()  # a run that is interrupted in the training of a network need not paint again
        self.result = self._finish(self.painted)
        self._write(self.result)
        self.seconds = self._run.seconds()
        return self.result

    def last_scale(self, extractor: FeatureExtractor, weights: LossWeights) -> PreparedScale:
        """The styles and the loss at the size of the result."""
        content, styles = self._inputs.content_to_paint(self._colors), self._inputs.style_images(self._colors)
        scale, style_size = self._settings.scales[-1], self._settings.style_size
        return prepare_scale(content, styles, extractor, scale, style_size, weights)

    def resized_content(self) -> np.ndarray:
        """The content image at the size of the result, uint8."""
        return resize(self._inputs.content, self._settings.scales[-1].side).round().astype(np.uint8)

    def _done(self, progress: Progress | None) -> int:
        """How many steps are done."""
        return 0 if progress is None else min(self._steps_before[progress.scale] + progress.step, self._total)

    def _end_scale(self) -> None:
        """Say how a scale has ended."""
        row = self.history[-1]
        losses = "  ".join(f"{name.replace('_', ' ')} {number(row[name])}" for name in ("loss", "content_loss", "style_loss"))
        self._run.say(f"painted at {row['phase']}  {row['epoch']} steps  {losses}  {duration(row['seconds'])} in all")

    def _show_page(self, done: int) -> None:
        if self._run.watch is not None:
            self._run.watch.write_page(f"The image is being painted: step {done} of {self._total}.", reload=True)

    def _on_step(self, progress: Progress, shown: tqdm) -> None:
        self._last, side, loss = progress, self._settings.scales[progress.scale].side, progress.loss
        done = self._done(progress)
        shown.update(done - shown.n)
        shown.set_postfix_str(f"{side} px: loss {loss.total:.4g}, content {loss.content_loss:.3g}, style {loss.style_loss:.3g}")
        row = _row(f"{side} px", progress.step, loss, self._run.seconds())
        if self.history and all(self.history[-1][name] == row[name] for name in ("phase", "epoch")):
            self.history.pop()  # a resumed descent reports its first step again
        if self.history and self.history[-1]["phase"] != row["phase"]:
            self._end_scale()
        self.history.append(row)
        if len(self.frames) < FRAMES and done >= len(self.frames) * self._total / (FRAMES - 1):
            self.frames.append(self._finish(progress.image, FRAME_SIDE))
        if time.monotonic() - self._saved_at > SAVE_EVERY:
            self._save()
            self._show_page(done)

    def _finish(self, painted: np.ndarray, side: int | None = None) -> np.ndarray:
        """The image in its final colors, at the size of the result, or with a longer side of at most ``side`` pixels."""
        content = self.resized_content()
        if side is not None and side < max(content.shape[:2]):
            content = resize(self._inputs.content, side).round().astype(np.uint8)
        painted = painted if painted.shape == content.shape else resize_like(painted, content)
        return self._inputs.restore_colors(painted.round().clip(0, 255).astype(np.uint8), content, self._colors)

    def _save(self) -> None:
        """Write the image as it is, and the state."""
        progress = self._last
        arrays = {f"state_{number}": each for number, each in enumerate(progress.state())}
        arrays |= {f"frame_{number:03d}": each for number, each in enumerate(self.frames)}
        known = {
            "scale": progress.scale,
            "step": progress.step,
            "loss": progress.loss,
            "history": self.history,
            "seconds": self._run.seconds(),
        }
        buffer = io.BytesIO()
        np.savez(buffer, known=np.array(json.dumps(known)), image=progress.image, **arrays)
        self._run.write(PAINTING, buffer.getvalue())
        self._write(self._finish(progress.image))
        self._saved_at = time.monotonic()

    def _read_state(self) -> Progress | None:
        """The progress of an interrupted run; None at the beginning."""
        arrays = self._run.read_arrays(PAINTING, "the image is painted anew")
        if arrays is None:
            return None
        try:
            known = json.loads(str(arrays["known"]))
            state = tuple(arrays[f"state_{number}"] for number in range(sum(name.startswith("state_") for name in arrays)))
            frames = [arrays[name] for name in sorted(arrays) if name.startswith("frame_")]
            image = arrays["image" if "image" in arrays else "picture"]  # as runs of older versions call it
            progress = Progress(known["scale"], known["step"], Loss(*known["loss"]), image, lambda: state)
            if not (
                0 <= progress.scale < len(self._settings.scales) and image.ndim == 3 and isinstance(known["history"], list)
            ):
                raise ValueError("it is of another painting")
            self._run.count_from(float(known["seconds"]))
        except (ValueError, KeyError, TypeError) as error:
            self._run.set_aside(PAINTING, f"it does not hold a painting: {error}", "the image is painted anew")
            return None
        self.frames, self.history = frames, known["history"]
        return progress

    def _write(self, image: np.ndarray) -> None:
        self._run.write(RESULT, image_png(image))


def forget_state(run: RunFolder) -> None:
    """Delete the state of a painting that needs no resuming."""
    (run.path / PAINTING).unlink(missing_ok=True)


def gif(frames: Sequence[np.ndarray]) -> bytes:
    """Encode frames of one size, at least one, as an animation that repeats; the last frame stays longest."""
    images = [Image.fromarray(frame).quantize(128, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    durations = [FRAME_MILLISECONDS] * (len(images) - 1) + [20 * FRAME_MILLISECONDS]
    buffer = io.BytesIO()
    images[0].save(buffer, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return buffer.getvalue()


def _row(phase: str, step: int, loss: Loss, seconds: float) -> dict:
    parts = {"loss": loss.total, "content_loss": loss.content_loss, "style_loss": loss.style_loss}
    return {
        "phase": phase,
        "epoch": step,
        **{name: round(value, 6) for name, value in parts.items()},
        "seconds": round(seconds, 2),
    }
