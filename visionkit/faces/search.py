"""Exact search for the nearest templates with NumPy alone; benchmarks/faces.py compares it with faiss on a million templates.

A matrix product quickly bounds the distances, rounding errors included; only candidates within the bounds are measured in
double precision. So the result equals that of an exhaustive search, also for templates at almost equal or equal distances.
"""

import numpy as np

from visionkit.errors import UserError

QUERIES_AT_ONCE = 64
PRODUCTS_AT_ONCE = 2**22  # 16 MB: many queries by few templates, or few queries by many
GROUPS = 1_024  # groups of a block; the minimum of each group bounds the distance of the nearest templates
ROUNDING, TINY = float(np.finfo(np.float32).eps), float(np.finfo(np.float32).tiny)


class Templates:
    """Templates prepared for search; safe to share between threads.

    Args:
        templates: float32 ``(N, D)``; kept, not copied.

    Raises:
        UserError: the shape is another, or values or their squares are not finite.
    """

    def __init__(self, templates: np.ndarray):
        self._templates = _checked(templates, "templates")
        self._norms = _squared_norms(self._templates, "templates")
        self._largest = float(self._norms.max(initial=0.0)) ** 0.5

    def nearest(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the ``k`` nearest templates of each query, nearest first; of equally distant ones, the earlier row comes first.

        Args:
            queries: float32 ``(Q, D)``.
            k: number of templates; if there are fewer, all are returned.

        Returns:
            Euclidean distances float32 and rows int64, both ``(Q, min(k, N))``.

        Raises:
            UserError: the queries have another shape or dimension than the templates, or are not finite; or ``k`` is below 1.
        """
        queries = _checked(queries, "queries")
        if queries.shape[1] != self._templates.shape[1]:
            raise UserError(f"Queries of {queries.shape[1]} numbers; expected {self._templates.shape[1]}, as templates have.")
        if k < 1:
            raise UserError(f"The {k} nearest templates: expected 1 or more.")
        k = min(k, len(self._templates))
        squares, places = np.zeros((len(queries), k), np.float64), np.zeros((len(queries), k), np.int64)
        if k and len(queries):
            lengths = np.sqrt(_squared_norms(queries, "queries").astype(np.float64))
            # Twice the textbook's bound of the rounding error of sums of D products in float32.
            errors = (queries.shape[1] + 8) * (ROUNDING * (lengths + self._largest) ** 2 + TINY)
            for start in range(0, len(queries), QUERIES_AT_ONCE):
                rows = slice(start, start + QUERIES_AT_ONCE)
                squares[rows], places[rows] = self._search(queries[rows], k, lengths[rows], errors[rows])
        return np.sqrt(squares).astype(np.float32), places

    def _search(self, queries, k, lengths, errors) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances and rows of the nearest templates, updated block by block."""
        nearest = [(np.zeros(0), np.zeros(0, np.int64))] * len(queries)
        limits = np.full(len(queries), np.inf)  # squared distances that templates must not exceed
        step = PRODUCTS_AT_ONCE // len(queries)
        for start in range(0, len(self._templates), step):
            block = slice(start, start + step)
            products = queries @ self._templates[block].T
            products *= -2
            products += self._norms[block]  # now squared distances minus the query's squared norm
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
        """Squared distances to the templates at these rows, float64.

        They are computed from differences, since products would give equal vectors a distance.
        """
        differences = self._templates[places].astype(np.float64) - query
        return np.einsum("nd,nd->n", differences, differences)


def _kth_bound(values: np.ndarray, k: int) -> np.ndarray:
    """For each row of ``(Q, M)``, an upper bound of its ``k`` smallest values; infinite if there are fewer than ``k``.

    The minima of groups suffice, and are fewer than the values: the ``k`` groups with the smallest minima hold ``k`` values.
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
    if not (norms < np.finfo(np.float32).max / 8).all():  # also false for NaN
        raise UserError(f"Received {name} that are not finite, or too large; expected embeddings of a model.")
    return norms
