"""Errors, grouped by what the caller does next.

A message says what happened, what became of the data and what to do. It may name an id or a
setting, never a key, a header, a body or a link's query.
"""


class ClipmartError(Exception):
    """Base of every error that a person may see; `exit_code` is that of the command."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """Jupyter shows this in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class FixConfiguration(ClipmartError):
    """A setting, a key, a plan or a scope has to be changed first."""

    exit_code = 3


class TryAgainLater(ClipmartError):
    """The same call may succeed later; nothing is lost meanwhile."""

    exit_code = 75


class Unusable(ClipmartError):
    """The request or argument itself is wrong; sending it again cannot help."""

    exit_code = 2


class RequestFailed(ClipmartError):
    """One request failed in spite of all its retries; others may succeed."""


class Refused(ClipmartError):
    """The API does not accept this request as it is."""


class OutcomeUnknown(TryAgainLater):
    """A POST that may have been accepted. The caller cannot know, so it is never repeated."""


class NotTaken(TryAgainLater):
    """A POST that certainly was not accepted: it never went out, or the rate limit refused it."""


class StrangeKey(FixConfiguration):
    """The key sees none of the ids."""


class BrokenBody(Exception):
    """The answer's body is not the JSON that its status promises."""
