"""``python -m visionkit.cli`` is ``visionkit``."""

from visionkit.cli import main

if __name__ == "__main__":
    main()
