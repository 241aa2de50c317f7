"""Errors, grouped by what the caller does next.

A message says what happened, what became of the data and what to do. It may name an id or a
variable, never a key, a header, a body or a link's query.
"""


class ClipmartError(Exception):
    """Base of every error a person may be shown; `exit_code` is the command's."""

    exit_code = 1


class FixConfiguration(ClipmartError):
    """Nothing helps but changing a setting, a key, a plan or a scope."""

    exit_code = 3


class TryAgainLater(ClipmartError):
    """The same call may succeed later; nothing is lost meanwhile."""

    exit_code = 75


class Unusable(ClipmartError):
    """The request or argument itself is wrong; sending it again cannot help."""

    exit_code = 2
