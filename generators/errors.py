"""Errors that a user caused: one line on stderr, exit status 2, no traceback."""

from lowbit.golden.parameters import ParameterError

__all__ = ["UsageError", "CheckFailed", "USER_ERRORS"]


class UsageError(ValueError):
    """Wrong usage: says what is wrong, with the value, and what to do. Exit status 2."""


class CheckFailed(Exception):
    """A verification did not pass. Exit status 1."""


#: what the command line turns into one line and exit status 2
USER_ERRORS = (UsageError, ParameterError)
