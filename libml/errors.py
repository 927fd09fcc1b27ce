"""The one error that a user's mistake raises: programs print its text, and no traceback."""


class UserError(Exception):
    """A mistake in what the program was given. The message says in one line what was wrong and what to do."""
