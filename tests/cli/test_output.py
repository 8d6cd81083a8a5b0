"""Output that several subcommands have in common."""

import errno

import pytest

from visionkit.cli.output import full_disk_named


def test_a_full_disk_says_what_was_kept_and_other_errors_stay_as_they_are():
    with full_disk_named():
        pass
    with pytest.raises(OSError, match=r"No space.*before this file is whole, and kept\. Make room.*a\.png"), full_disk_named():
        raise OSError(errno.ENOSPC, "No space left on device", "a.png")
    for error in (OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EACCES, "Permission denied", "a.png")):
        with pytest.raises(OSError, match=error.strerror) as raised, full_disk_named():
            raise error
        assert raised.value is error
