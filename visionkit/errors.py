"""The error that is meant for the person at the keyboard."""


class UserError(ValueError):
    """Something the user gave cannot be used; the message says what was received, what was expected, how to mend it.

    Command lines print the message alone; every other exception is a bug of ours and keeps its traceback.
    """
