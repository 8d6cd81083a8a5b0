"""The error whose message is meant for the user."""


class UserError(ValueError):
    """An input of the user cannot be used; the message says what was received, what was expected, and how to fix it.

    Command lines print the message alone; every other exception is a bug of visionkit and keeps its traceback.
    """
