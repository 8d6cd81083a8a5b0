"""Python functions that TensorFlow's threads call: their calls must end before the interpreter does.

A dataset that is still being prefetched when the program ends (an error, Ctrl-C) would otherwise wait forever: the interpreter
waits for the dataset's threads, and these wait for the interpreter.
"""

import atexit
import functools
import threading
import time
import weakref
from collections.abc import Callable

SETTLE = 0.1  # seconds in which calls that were already queued are refused


class PythonCalls:
    """Counts the running calls; after ``close`` there are none, and new calls are refused."""

    def __init__(self):
        self._changed = threading.Condition()
        self._running = 0
        self._begun = False
        self._closed = False

    def guard(self, function: Callable) -> Callable:
        """Wrap a function for ``tf.numpy_function``."""

        @functools.wraps(function)
        def guarded(*arguments):
            with self._changed:
                if self._closed:
                    raise RuntimeError("the program is ending")
                self._running += 1
                self._begun = True
            try:
                return function(*arguments)
            finally:
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()

        return guarded

    def close(self) -> None:
        """Refuse new calls, and wait for the running ones."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._running == 0)
        if self._begun:
            time.sleep(SETTLE)


@functools.cache
def python_calls() -> PythonCalls:
    """The counter of this process, which is closed at exit."""
    calls = PythonCalls()
    atexit.register(calls.close)
    return calls


def weakly(function: Callable) -> Callable:
    """Return a function that calls another one without keeping it alive: TensorFlow never releases its Python functions."""
    alive = weakref.ref(function)
    return lambda *arguments: alive()(*arguments)
