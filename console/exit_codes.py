"""The exit codes of the command: a script can tell what happened without reading a word. The names are those
of sysexits.h.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command tells the shell."""

    OK = 0
    FOUND_WRONG = 1
    """The services answered, and something is wrong: a finding in the books, a session that did not end as
    Ok, a refusal because of the state of things (not found, suspended already ...)."""
    USAGE = 2
    """The command line can't be understood."""
    BAD_DATA = 65
    """What was handed in is wrong: a file, a row of it, a date, an amount."""
    UNAVAILABLE = 69
    """A service does not answer, or can't take the request now."""
    INTERNAL = 70
    """A fault of Tallybook itself."""
    NO_PERMISSION = 77
    """The credential is missing, has expired or does not allow this."""
    INTERRUPTED = 130
    """Ctrl-C."""
