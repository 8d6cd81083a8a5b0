"""The contenders of faces.py at search: each function makes a loader that looks queries up, and writes their matches."""

import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
from turns import Batch, Loader

DIMENSIONS, NEAREST = 128, 5
NUM_CALLS = 8  # calls with different queries
NOISE = 0.5  # standard deviation of a query's noise; that of the templates is 1


def draw(templates: int, queries: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Templates ``(N, 128)``, and the queries of each call."""
    rng = np.random.default_rng(0)
    known = rng.standard_normal((templates, DIMENSIONS), np.float32)
    shape = (NUM_CALLS, queries)
    return known, list(known[rng.integers(0, templates, shape)] + NOISE * rng.standard_normal((*shape, DIMENSIONS), np.float32))


def _loader(find: Callable[[np.ndarray], np.ndarray], calls: list[np.ndarray], kept: str, seconds: float) -> Loader:
    """A turn: calls for so many seconds, and one at least; ``find`` answers with places ``(Q, 5)``, nearest first."""
    np.save(kept, np.concatenate([find(queries) for queries in calls]))

    def epoch() -> Iterator[Batch]:
        until = time.perf_counter() + seconds
        for queries in itertools.cycle(calls):
            find(queries)
            yield Batch(queries.shape)
            if time.perf_counter() > until:
                return

    return epoch


def ours(*, templates: int, queries: int, kept: str, seconds: float) -> Loader:
    """The search of a gallery."""
    from visionkit.faces.search import Templates

    known, calls = draw(templates, queries)
    ready = Templates(known)
    return _loader(lambda faces: ready.nearest(faces, NEAREST)[1], calls, kept, seconds)


def faiss_index(*, templates: int, queries: int, kept: str, seconds: float, by_products: bool = False) -> Loader:
    """Exact search of faiss."""
    import faiss

    if by_products:
        faiss.cvar.distance_compute_blas_threshold = 1
    known, calls = draw(templates, queries)
    index = faiss.IndexFlatL2(DIMENSIONS)
    index.add(known)
    return _loader(lambda faces: index.search(faces, NEAREST)[1], calls, kept, seconds)


def numpy_product(*, templates: int, queries: int, kept: str, seconds: float) -> Loader:
    """The plain implementation."""
    known, calls = draw(templates, queries)
    norms = np.einsum("nd,nd->n", known, known)

    def find(faces: np.ndarray) -> np.ndarray:
        squares = norms - 2 * faces @ known.T  # less the squared norm of the query, which changes no order
        places = np.argpartition(squares, NEAREST, axis=1)[:, :NEAREST]
        order = np.argsort(np.take_along_axis(squares, places, axis=1), axis=1)
        return np.take_along_axis(places, order, axis=1)

    return _loader(find, calls, kept, seconds)
