"""Exact nearest templates, by NumPy alone: benchmarks/faces.py compares it with faiss, among a million.

A matrix product says quickly which templates may be near, rounding included; only those are measured, in double precision.
So the answers are those of measuring all, also between templates that are almost equally far, or equal.
"""

import numpy as np

from visionkit.errors import UserError

QUERIES_AT_ONCE = 64
PRODUCTS_AT_ONCE = 2**22  # 16 MB: of many queries with few templates at once, or of few queries with many
GROUPS = 1_024  # of a block: the least of each bounds how far the nearest can be
ROUNDING, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)


class Templates:
    """Templates made ready to be searched; safe to share between threads.

    Args:
        templates: float32 ``(N, D)``; kept, not copied.

    Raises:
        UserError: another shape, or values that are not finite, or so large that their squares are not.
    """

    def __init__(self, templates: np.ndarray):
        self._templates = _checked(templates, "templates")
        self._norms = _squared_norms(self._templates, "templates")
        self._largest = float(self._norms.max(initial=0.0)) ** 0.5

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``k`` nearest templates of each query, nearest first; of equally far ones, the earlier place first.

        Args:
            queries: float32 ``(Q, D)``.
            k: how many; if there are fewer templates, all of them.

        Returns:
            Euclidean distances float32 and places int64, both ``(Q, min(k, N))``.

        Raises:
            UserError: as the class says; or a dimension that is not that of the templates; or ``k`` below 1.
        """
        queries = _checked(queries, "queries")
        if queries.shape[1] != self._templates.shape[1]:
            raise UserError(f"Queries of {queries.shape[1]} numbers; expected {self._templates.shape[1]}, as templates have.")
        if k < 1:
            raise UserError(f"The {k} nearest templates: expected 1 or more.")
        k = min(k, len(self._templates))
        found = np.zeros((len(queries), k), np.float64), np.zeros((len(queries), k), np.int64)
        if k and len(queries):
            lengths = np.sqrt(_squared_norms(queries, "queries").astype(np.float64))
            # Of sums of D products in float32, as far as they go into what is compared; twice the textbook's bound.
            errors = (queries.shape[1] + 8) * (ROUNDING * (lengths + self._largest) ** 2 + TINY)
            for start in range(0, len(queries), QUERIES_AT_ONCE):
                rows = slice(start, start + QUERIES_AT_ONCE)
                found[0][rows], found[1][rows] = self._ask(queries[rows], k, lengths[rows], errors[rows])
        return np.sqrt(found[0]).astype(np.float32), found[1]

    def _ask(self, queries, k, lengths, errors) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances and places; each block may add to the nearest of those before it."""
        nearest = [(np.zeros(0), np.zeros(0, np.int64))] * len(queries)
        limits = np.full(len(queries), np.inf)  # squared distances beyond which no template counts
        step = PRODUCTS_AT_ONCE // len(queries)
        for start in range(0, len(self._templates), step):
            block = slice(start, start + step)
            products = queries @ self._templates[block].T
            products *= -2
            products += self._norms[block]  # the squared distances, less the query's squared norm
            if start == 0:
                limits = np.minimum(limits, _kth_bound(products, k) + lengths**2 + errors)
            within = products <= (limits - lengths**2 + errors).astype(np.float32)[:, None]
            for row in np.flatnonzero(within.any(axis=1)):
                places = start + np.flatnonzero(within[row])
                squares = np.concatenate([nearest[row][0], self._squared_distances(queries[row], places)])
                places = np.concatenate([nearest[row][1], places])
                best = np.lexsort((places, squares))[:k]
                nearest[row] = squares[best], places[best]
                if len(best) == k:
                    limits[row] = squares[best[-1]]
        return np.stack([squares for squares, _ in nearest]), np.stack([places for _, places in nearest])

    def _squared_distances(self, query: np.ndarray, places: np.ndarray) -> np.ndarray:
        """To the templates at these places, float64: by differences, since from products equal vectors would lie apart."""
        away = self._templates[places].astype(np.float64) - query
        return np.einsum("nd,nd->n", away, away)


def _kth_bound(values: np.ndarray, k: int) -> np.ndarray:
    """For each row of ``(Q, M)`` a value that at least ``k`` of it do not exceed; infinite where there are fewer than ``k``.

    The least of each group is enough: ``k`` groups have one such value each, and groups are fewer than values.
    """
    if values.shape[1] < k:
        return np.full(len(values), np.inf)
    if values.shape[1] >= 2 * GROUPS and k <= GROUPS // 2:
        whole = values.shape[1] // GROUPS * GROUPS
        values = values[:, :whole].reshape(len(values), -1, GROUPS).min(axis=1)
    return np.take_along_axis(values, np.argpartition(values, k - 1, axis=1)[:, k - 1 : k], axis=1)[:, 0].astype(np.float64)


def _checked(vectors: np.ndarray, name: str) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2:
        raise UserError(f"Received {name} of shape {vectors.shape}; expected one row each, (N, D).")
    return vectors


def _squared_norms(vectors: np.ndarray, name: str) -> np.ndarray:
    norms = np.einsum("nd,nd->n", vectors, vectors)
    if not (norms < np.finfo(np.float32).max / 8).all():  # false for nan, too
        raise UserError(f"Received {name} that are not finite, or too large; expected what a model embeds faces with.")
    return norms
