"""Procedural paintings for neural styles: free of rights, with texture from a few pixels to a tenth of their side.

Each function draws one painting, uint8 ``(SIDE, SIDE, 3)``, RGB; the generator decides where strokes, panes, lines and stones
lie. It is drawn on a canvas with sides of ``CANVAS`` pixels and shrunk by area averaging; lengths are in pixels of the canvas.
"""

from collections.abc import Sequence

import cv2
import numpy as np

SIDE, FINER = 512, 2  # side of a painting in pixels, and the factor by which it is drawn larger
CANVAS = SIDE * FINER

NIGHT = ((8, 12, 38), (16, 30, 86), (24, 60, 140), (38, 104, 176), (70, 150, 182), (150, 196, 190), (226, 226, 196))
GLOW = ((255, 250, 222), (252, 226, 120), (240, 186, 48), (222, 146, 40), (150, 168, 110), (70, 140, 160))
EARTH = ((10, 14, 30), (18, 36, 52), (24, 62, 66), (58, 98, 74), (120, 128, 66), (176, 142, 60))
STARS = (
    (770, 190, 105),
    (170, 130, 48),
    (420, 95, 34),
    (545, 330, 38),
    (95, 400, 60),
    (905, 500, 44),
    (300, 600, 28),
    (700, 640, 34),
)
SWIRLS = ((400, 350, 210, 1.0), (640, 470, 150, -1.0), (140, 560, 150, 0.8), (900, 250, 130, -0.7))  # x, y, radius, turn
PANES = {
    "gold": (250, 190, 40),
    "ruby": (196, 16, 34),
    "cobalt": (18, 52, 190),
    "teal": (10, 140, 150),
    "emerald": (20, 128, 56),
    "violet": (110, 30, 140),
    "milk": (222, 224, 200),
}
ROSE = (  # radius, number of panes, turn in panes, colors
    (62, 8, 0, ("ruby",)),
    (118, 16, 0.5, ("cobalt", "milk")),
    (186, 16, 0, ("gold", "teal")),
    (262, 32, 0.5, ("ruby", "ruby", "cobalt", "cobalt")),
    (330, 16, 0.5, ("emerald", "violet")),
    (392, 48, 0, ("gold", "cobalt", "ruby")),
)
ROW = 19  # pixels from one row of stones to the next
STONES = {
    "gold": (222, 172, 58),
    "amber": (232, 140, 44),
    "terracotta": (184, 82, 48),
    "wine": (112, 32, 36),
    "ivory": (234, 222, 190),
    "rose": (216, 148, 116),
    "night": (16, 22, 62),
    "lapis": (30, 58, 150),
}
GROUND = ((12, 18, 56), (26, 46, 124), (36, 74, 168), (30, 112, 156), (64, 166, 164), (168, 204, 180))
LARGEST = ("wine", "terracotta", "terracotta", "amber", "gold", "ivory", "wine", "terracotta", "gold", "ivory")
FLOWERS = (  # x, y, radius, petals, turn, rows from the rim inward
    (360, 390, 215, 8, 0.3, LARGEST),
    (800, 230, 130, 6, 1.0, ("terracotta", "rose", "ivory", "gold", "wine", "amber")),
    (770, 700, 165, 7, 2.0, ("ivory", "rose", "terracotta", "wine", "amber", "gold", "ivory")),
    (280, 850, 115, 5, 0.0, ("wine", "amber", "gold", "ivory", "terracotta")),
    (60, 90, 95, 6, 0.5, ("terracotta", "gold", "ivory", "wine")),
    (560, 60, 62, 5, 1.5, ("wine", "rose", "gold")),
    (1010, 960, 110, 6, 1.2, ("terracotta", "gold", "wine", "ivory", "amber")),
    (30, 620, 80, 5, 0.8, ("amber", "ivory", "wine")),
    (560, 930, 60, 5, 2.5, ("terracotta", "ivory", "gold")),
    (1000, 460, 56, 5, 0.2, ("wine", "gold", "ivory")),
)


def strokes(rng: np.random.Generator) -> np.ndarray:
    """A night sky in thick oil: curved strokes along a swirling flow, from coarse to fine, with glowing discs."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
    flow, color = _night(rng, rows, columns)
    canvas = color.astype(np.uint8)  # visible where no stroke covers it
    height = np.zeros((CANVAS, CANVAS), np.uint8)
    for width, length, share, contrast in ((44, 150, 2.2, 14), (26, 120, 2.2, 24), (16, 84, 1.7, 30), (9, 56, 0.8, 36)):
        count = int(share * CANVAS**2 / (width * length))
        starts = rng.uniform(-0.02, 1.02, (count, 2)).astype(np.float32) * CANVAS
        paths = _along(flow, starts, length, steps=9)
        colors = _at(color, paths[:, 4]) + rng.normal(0, contrast, (count, 1)) + rng.normal(0, 7, (count, 3))
        if width < 20:  # accents lie on top: one stroke in twelve is much lighter or darker than its surroundings
            colors += (rng.random((count, 1)) < 1 / 12) * rng.choice([-60, 70], (count, 1)) * (1, 1, 0.8)
        for path, paint in zip(paths, colors, strict=True):
            _stroke(canvas, height, path, width * rng.uniform(0.75, 1.2), paint, rng)
    return _shrunk(_in_relief(canvas, height, 2.4))


def _night(rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flow directions (unit vectors) and colors, float32 ``(CANVAS, CANVAS, 2)`` and ``(CANVAS, CANVAS, 3)``."""
    across, down = np.ones_like(rows), 0.45 * np.sin(columns / 150 + 2 * _noise(rng, 340)) + 0.3 * _noise(rng, 200)
    tone = 1.9 + 1.0 * np.sin((rows + 60 * np.sin(columns / 170)) / 46) + 0.9 * _noise(rng, 150) + 1.2 * (rows / CANVAS - 0.3)
    for x, y, radius, turn in SWIRLS:
        away_x, away_y = columns - x, rows - y
        far = np.hypot(away_x, away_y) + 1e-3
        weight = 6 * np.exp(-((far / radius) ** 2))
        across += weight * turn * (-away_y - 0.25 * turn * away_x) / far
        down += weight * turn * (away_x - 0.25 * turn * away_y) / far
        arms = 2.6 + 2.2 * np.sin(2 * np.arctan2(away_y, away_x) - turn * far / radius * 6.5)
        share = np.exp(-((far / radius) ** 4))
        tone = tone * (1 - share) + arms * share
    color = _ramp(NIGHT, tone / 6)
    for x, y, radius in STARS:
        away_x, away_y = columns - x, rows - y
        far = np.hypot(away_x, away_y) + 1e-3
        weight = 14 * np.exp(-((far / (1.7 * radius)) ** 3))
        across, down = across - weight * away_y / far, down + weight * away_x / far
        rings = far / radius + 0.12 * np.sin(far / 7)
        share = np.clip(2.1 - rings, 0, 1)[..., None]
        color = color * (1 - share) + _ramp(GLOW, rings / 2.1) * share
    ridge = CANVAS * (0.80 - 0.09 * np.sin(columns / 160 + 0.6) - 0.05 * np.sin(columns / 61 + 2))
    depth = rows - ridge
    hills = depth > 0
    slope = -CANVAS * (0.09 / 160 * np.cos(columns / 160 + 0.6) + 0.05 / 61 * np.cos(columns / 61 + 2))
    across, down = np.where(hills, 1, across), np.where(hills, slope + 0.7 * np.sin(depth / 40 + columns / 90), down)
    ground = _ramp(EARTH, 0.35 + 0.3 * np.sin(depth / 24 + 1.5 * _noise(rng, 120)) + 0.2 * _noise(rng, 90))
    color = np.where(hills[..., None], ground * np.clip(depth / 30, 0.25, 1)[..., None], color)
    flow = np.stack([across, down], axis=2)
    return flow / np.linalg.norm(flow, axis=2, keepdims=True), color


def _along(flow: np.ndarray, starts: np.ndarray, length: float, steps: int) -> np.ndarray:
    """Paths ``(N, steps, 2)`` of x and y that follow the flow from ``starts``."""
    places, paths = starts, []
    for _ in range(steps):
        paths.append(places)
        halfway = places + _at(flow, places) * (length / (steps - 1) / 2)  # otherwise strokes around a disc would leave it
        places = places + _at(flow, halfway) * (length / (steps - 1))
    return np.stack(paths, axis=1)


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The values of a field ``(CANVAS, CANVAS, C)`` at the places ``(N, 2)`` of x and y."""
    columns, rows = places.clip(0, CANVAS - 1).astype(int).T
    return values[rows, columns]


def _stroke(
    canvas: np.ndarray, height: np.ndarray, path: np.ndarray, width: float, paint: np.ndarray, rng: np.random.Generator
) -> None:
    """Draw one stroke bristle by bristle, in place: colors vary across it, its ends are ragged and its edges high."""
    tangent = np.gradient(path, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-6)
    number = max(3, round(width / 4.5))
    offsets = np.linspace(-0.5, 0.5, number)
    shades, heights = rng.normal(0, 9, number), rng.integers(70, 170, number)
    heights[[0, -1]] += 60  # paint that the brush pushes aside
    begins, ends = rng.integers(0, 3, number), len(path) - rng.integers(0, 3, number)
    thickness = max(2, round(1.6 * width / number))
    for offset, shade, high, begin, end in zip(offsets, shades, heights, begins, ends, strict=True):
        line = [np.rint((path + normal * offset * width)[begin:end] * 16).astype(np.int32)]
        cv2.polylines(canvas, line, False, (paint + shade).clip(0, 255).tolist(), thickness, cv2.LINE_AA, 4)
        cv2.polylines(height, line, False, int(high), thickness, cv2.LINE_AA, 4)


def _in_relief(canvas: np.ndarray, height: np.ndarray, strength: float) -> np.ndarray:
    """The canvas as a relief of this height under light from the upper left, uint8."""
    smooth = cv2.GaussianBlur(height.astype(np.float32), (0, 0), 1.4)
    slope = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8) + cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    return (canvas + strength * slope[..., None].clip(-26, 30)).clip(0, 255).astype(np.uint8)


def glass(rng: np.random.Generator) -> np.ndarray:
    """A window of stained glass: leaded panes of saturated colors around a rose, each lit and clouded differently."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
    seeds, colors = _panes(rng)
    bent = columns + 9 * _noise(rng, 110), rows + 9 * _noise(rng, 110)
    labels = cv2.remap(_nearest(seeds), *bent, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE).astype(int)
    same = np.ones(labels.shape, np.uint8)
    same[1:] &= labels[1:] == labels[:-1]
    same[:, 1:] &= labels[:, 1:] == labels[:, :-1]
    far = cv2.distanceTransform(same, cv2.DIST_L2, 5) + 0.7 * _noise(rng, 25)  # distance from the middle of the lead
    angle = rng.uniform(0, 2 * np.pi, len(seeds)).astype(np.float32)[labels]
    x, y = columns - seeds[labels, 0], rows - seeds[labels, 1]
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    streaks = _noise(rng, 12) + 0.7 * _noise(rng, 5)  # stretched along a different direction in each pane
    shifts = rng.uniform(0, CANVAS, len(seeds)).astype(np.float32)[labels]
    streaks = cv2.remap(streaks, (along / 9 + shifts) % CANVAS, (across + shifts) % CANVAS, cv2.INTER_LINEAR)
    light = 0.98 + 0.005 * along.clip(-70, 70) + 0.24 * streaks + 0.2 * _noise(rng, 34) + 0.2 * _noise(rng, 220)
    light *= 1 - 0.7 * np.exp(-((far / 11) ** 2))  # dirt next to the lead
    hues = np.stack([_noise(rng, 60) + 0.5 * _noise(rng, 17) for _ in range(3)], axis=2)
    canvas = (colors[labels] * (1 + 0.22 * hues) + 14 * hues) * light[..., None] + 170 * np.clip(light - 1.1, 0, 1)[..., None]
    glow = cv2.GaussianBlur(canvas, (0, 0), 14)
    lead = np.clip(5.5 - far, 0, 1)[..., None]
    canvas = (canvas + 0.12 * glow) * (1 - lead) + (14 + 0.1 * glow) * lead
    height = 90 * np.sqrt(np.clip(1 - (far / 6) ** 2, 0, 1)) + 7 * streaks
    return _shrunk(_in_relief(canvas, height, 3.0))


def _panes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places of the panes, x and y ``(N, 2)``, and their colors ``(N, 3)``: rings around the middle of a rose, and shards."""
    middle, places, names = np.array([500, 486]), [np.zeros((1, 2))], ["gold"]
    for radius, number, turn, wheel in ROSE:
        angles = 2 * np.pi * (np.arange(number) + turn) / number
        places.append(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1))
        names += [wheel[pane % len(wheel)] for pane in range(number)]
    step = 54
    shards = np.stack(np.meshgrid(*2 * [np.arange(-step, CANVAS + step, step)]), axis=2).reshape(-1, 2) - middle
    shards = shards + rng.uniform(-0.42 * step, 0.42 * step, shards.shape)
    shards = shards[np.hypot(*shards.T) > ROSE[-1][0] + 0.6 * step]
    names += rng.choice(list(PANES), len(shards), p=(0.1, 0.16, 0.3, 0.13, 0.12, 0.12, 0.07)).tolist()
    places = np.concatenate([*places, shards]) + middle
    colors = np.array([PANES[name] for name in names], np.float32)
    return places.astype(np.float32), colors * rng.uniform(0.7, 1.15, (len(colors), 1)).astype(np.float32)


def _nearest(places: np.ndarray) -> np.ndarray:
    """The number of the place that is nearest to each pixel, float32 ``(CANVAS, CANVAS)``."""
    border = 100  # because places may lie outside of the canvas
    open_ground = np.full((CANVAS + 2 * border, CANVAS + 2 * border), 255, np.uint8)
    columns, rows = np.rint(places + border).astype(int).T
    open_ground[rows, columns] = 0
    _, labels = cv2.distanceTransformWithLabels(open_ground, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    numbers = np.zeros(labels.max() + 1, np.float32)
    numbers[labels[rows, columns]] = np.arange(len(places))
    return numbers[labels][border:-border, border:-border]


def woodcut(rng: np.random.Generator) -> np.ndarray:
    """A woodcut of a sun over mountains and the sea: curved lines of black ink on warm paper, thicker where it is dark."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
    wavy = _noise(rng, 90)
    away_x, away_y = columns - 330, rows - 300
    far, angle = np.hypot(away_x, away_y), np.arctan2(away_y, away_x)
    rays = 0.5 + 0.5 * np.tanh(2.5 * np.cos(20 * angle + 0.7 * np.sin(far / 70)))
    dark = 0.12 + far / 1500 + 0.42 * rays * np.clip(far / 300 - 0.2, 0, 1)
    ink = _carved(
        (far + np.clip(far / 200, 0, 2) * (9 * wavy + 3.5 * _noise(rng, 33))) / 15, np.where(far < 104, 0.1, dark), 15, rng
    )
    ink = np.maximum(ink, _band(far, 104, 8))
    for base, jagged, slant in ((560, 125, 1.1), (650, 75, 0.8)):
        ridge, peak = _ridge(rng, base, jagged)
        depth = rows - ridge
        shadow = columns - peak + 0.18 * depth * np.sin(depth / 25 + 3 * wavy) + 12 * wavy > 0
        lines = np.where(shadow, columns * 0.75 + depth * 0.65 * slant, -columns * 0.5 + depth * 0.85)
        dark = np.where(shadow, 0.72 + 0.15 * wavy, 0.2 + depth / 900) - 0.25 * np.clip(depth / 200 - 0.3, 0, 1)
        ink = np.where(depth > 0, _carved((lines + 7 * wavy) / 13, dark, 13, rng), ink)
        ink = np.maximum(np.where(np.abs(depth - 11) < 5, 0, ink), _band(depth, 2, 5))
    depth = rows - 720
    below = np.maximum(depth, 0)
    swell = np.abs(np.sin(columns / (26 + below / 5) + 5 * np.sin(below / 37) + wavy)) * (0.7 + below / 260)
    lines = 1.9 * np.sqrt(below + 40) + swell + 0.25 * wavy  # the sea comes nearer: lines lie farther apart
    glitter = np.exp(-(((columns - 330 - 40 * np.sin(below / 18)) / (70 + below / 3)) ** 2))
    dark = 0.74 - 0.55 * glitter + 0.14 * np.sin(lines * 2) + 0.1 * wavy
    ink = np.where(depth > 0, _carved(lines, dark, 16, rng), ink)
    ink = np.maximum(ink, _band(depth, 0, 5))
    grain = _noise(rng, 3) + 0.7 * cv2.resize(_noise(rng, 4)[: CANVAS // 16], (CANVAS, CANVAS))
    ink = cv2.GaussianBlur(ink.astype(np.float32), (0, 0), 0.8) * (0.95 + 0.05 * np.clip(grain, -1, 1))
    ink = ink * (1 - 0.5 * np.clip(grain - 0.95, 0, 1))  # the wood took less ink in some places
    paper = np.array((238, 218, 176)) * (1 + 0.03 * _noise(rng, 6) + 0.05 * _noise(rng, 260))[..., None]
    canvas = paper * (1 - ink[..., None]) + np.array((24, 18, 20)) * ink[..., None]
    return _shrunk(canvas.clip(0, 255).astype(np.uint8))


def _carved(lines: np.ndarray, dark: np.ndarray, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Ink (0..1) of uneven lines, ``spacing`` pixels apart where ``lines`` is a whole number, thicker where it is ``dark``."""
    line_darkness = rng.uniform(-0.07, 0.07, 4096)[np.rint(lines).astype(int) % 4096]
    uneven = dark + line_darkness + 0.16 * _noise(rng, 24)
    return np.clip((uneven - 2 * np.abs(lines - np.rint(lines))) * spacing / 3 + 0.5, 0, 1)


def _band(values: np.ndarray, at: float, width: float) -> np.ndarray:
    return np.clip(width / 2 + 0.5 - np.abs(values - at), 0, 1)


def _ridge(rng: np.random.Generator, base: float, jagged: float) -> tuple[np.ndarray, np.ndarray]:
    """The skyline of mountains as a row for each column, and the column of the nearest peak."""
    peaks = np.cumsum(rng.uniform(140, 290, 12)) - 250
    tops, valleys = base - rng.uniform(0.5, 1.4, 12) * jagged, base + rng.uniform(-0.3, 0.2, 12) * jagged
    at = np.stack([peaks, peaks + 0.5 * np.diff(peaks, append=peaks[-1] + 200)], axis=1).ravel()
    columns = np.arange(CANVAS)
    rough = 5 * _noise(rng, 17)[0] + 3 * _noise(rng, 7)[0]
    ridge = np.interp(columns, at, np.stack([tops, valleys], axis=1).ravel()) + rough
    return ridge.astype(np.float32), peaks[np.abs(columns[:, None] - peaks).argmin(axis=1)].astype(np.float32)


def mosaic(rng: np.random.Generator) -> np.ndarray:
    """A mosaic of flowers with small stones in rows along their outlines: terracotta, gold and ivory on lapis and turquoise."""
    far, flower = _flowers()
    canvas = np.empty((CANVAS, CANVAS, 3), np.uint8)
    canvas[:] = np.array((74, 64, 56)) * (1 + 0.18 * _noise(rng, 4) + 0.12 * _noise(rng, 40))[..., None]
    covered = np.zeros((CANVAS, CANVAS), np.uint8)
    sea = 0.5 + 0.28 * np.sin(far / 34 + 1.2 * _noise(rng, 150)) + 0.35 * _noise(rng, 200)

    def lay(center: np.ndarray, along: np.ndarray, length: float, width: float) -> None:
        column, row = center.clip(0, CANVAS - 1).astype(int)
        corners = _corners(center, along, length, width) + rng.normal(0, 1.1, (4, 2))
        inner = ((center + 0.8 * (corners - center)).clip(0, CANVAS - 1)).astype(int)
        if covered[row, column] or np.count_nonzero(covered[inner[:, 1], inner[:, 0]]) > 1:
            return
        paint = _stone(far[row, column], FLOWERS[flower[row, column]], sea[row, column], rng)
        points = np.rint(corners * 16).astype(np.int32)
        cv2.fillConvexPoly(canvas, points, paint.clip(0, 255).tolist(), cv2.LINE_AA, 4)
        cv2.fillConvexPoly(covered, points, 255, cv2.LINE_AA, 4)

    for level in sorted(np.arange(-11.5, 26) * ROW, key=abs):  # from the outlines outwards: rows that meet others are cut off
        for center, along in _places_on(far, level, rng):
            lay(center, along, ROW * rng.uniform(0.72, 1.05), (0.74 if level < 0 else 0.84) * ROW)
    gaps = cv2.distanceTransform((covered < 128).astype(np.uint8), cv2.DIST_L2, 5)
    for row, column in np.argwhere((gaps > 4.5) & (gaps == cv2.dilate(gaps, np.ones((9, 9))))):
        angle, side = rng.uniform(0, np.pi), 1.7 * gaps[row, column]
        lay(np.array([column, row], float), np.array([np.cos(angle), np.sin(angle)]), side, side)
    stones = cv2.distanceTransform((covered > 127).astype(np.uint8), cv2.DIST_L2, 5).clip(0, 4)
    clouds = 1 + 0.07 * _noise(rng, 5) + 0.05 * _noise(rng, 14)
    canvas = (canvas * clouds[..., None]).clip(0, 255).astype(np.uint8)
    return _shrunk(_in_relief(canvas, 24 * stones + 5 * _noise(rng, 6), 1.6))


def _flowers() -> tuple[np.ndarray, np.ndarray]:
    """Distance in pixels to the outline of the nearest flower, negative inside (in rings of its shape), and its number."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
    within = []
    for x, y, radius, petals, turn, _ in FLOWERS:
        away_x, away_y = columns - x, rows - y
        outline = 1 + 0.13 * np.cos(petals * np.arctan2(away_y, away_x) + turn)
        within.append(np.hypot(away_x, away_y) / outline - radius)
    deepest = np.min(within, axis=0)
    outside = cv2.distanceTransform((deepest > 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(deepest > 0, outside, deepest), np.argmin(within, axis=0)


def _places_on(far: np.ndarray, level: float, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Centers of adjacent stones on the line where ``far`` equals ``level``, and the directions of the line there."""
    inside = np.pad((far < level).astype(np.uint8), 1)  # so that lines end outside, where no stone is laid
    places = []
    for outline in cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
        if len(outline) < 12:
            continue
        points = outline[:, 0].astype(np.float64) - 1
        smooth = sum(np.roll(points, shift, axis=0) for shift in range(-5, 6)) / 11
        lengths = np.linalg.norm(np.roll(smooth, -1, axis=0) - smooth, axis=1).cumsum()
        number = max(1, round(lengths[-1] / ROW))
        at = np.searchsorted(lengths, (np.arange(number) + rng.uniform()) * lengths[-1] / number) % len(smooth)
        along = np.roll(smooth, -4, axis=0)[at] - np.roll(smooth, 4, axis=0)[at]
        edge = (smooth[at] < 1).any(axis=1) | (smooth[at] > CANVAS - 2).any(axis=1)
        places += list(zip(smooth[at][~edge], along[~edge], strict=True))
    return places


def _corners(center: np.ndarray, along: np.ndarray, length: float, width: float) -> np.ndarray:
    along = along / (np.linalg.norm(along) + 1e-9)
    across = np.array([-along[1], along[0]])
    return center + np.array(
        [along * x * length + across * y * width for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
    )


def _stone(far: float, flower: tuple, sea: float, rng: np.random.Generator) -> np.ndarray:
    """The color of one stone, by its row outside of flowers or its ring inside of one."""
    if far > 0:
        row = int(far / ROW)
        color = np.array(STONES["gold"]) if row == 0 else _ramp(GROUND, np.float32(sea + rng.normal(0, 0.08)))
        if row == 1:
            color = np.array(STONES["night"])
    else:
        rings = flower[-1]
        color = np.array(STONES[rings[min(int(-far / ROW), len(rings) - 1)]])
    gleam = rng.random() < 0.12
    return color * rng.normal(1, 0.12) + rng.normal(0, 6, 3) + 45 * gleam


def _noise(rng: np.random.Generator, cell: int) -> np.ndarray:
    """Smooth noise of about -1..1 with features of ``cell`` pixels, float32 ``(CANVAS, CANVAS)``."""
    number = CANVAS // cell + 3
    coarse = rng.uniform(-1, 1, (number, number)).astype(np.float32)
    return cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)[cell : cell + CANVAS, cell : cell + CANVAS]


def _ramp(colors: Sequence[tuple[int, int, int]], at: np.ndarray) -> np.ndarray:
    """Colors interpolated in a table, from the first where ``at`` is 0 to the last where it is 1; float32 ``(..., 3)``."""
    table = np.array(colors, np.float32)
    stops = np.linspace(0, 1, len(table))
    return np.stack([np.interp(at, stops, table[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def _shrunk(canvas: np.ndarray) -> np.ndarray:
    return cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
