"""A ``visionkit`` command that ends when the process that began it does: ``python -m visionkit.cli.trial train ...``.

Its standard input is a pipe of that process, which the system closes even where the process was killed.
"""

import os
import signal
import sys
import threading

from visionkit.cli import main


def _end_with_input(descriptor: int) -> None:
    """Wait for the end of a pipe, and ask this process to end as ``kill`` does: the run is kept, and can be resumed."""
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, args=[sys.stdin.fileno()], daemon=True).start()
    main()
