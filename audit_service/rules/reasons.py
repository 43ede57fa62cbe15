"""Why the audit service refuses: the names of `AuditErrorReason` without their prefix. Only ever grows."""

from enum import StrEnum


class AuditReason(StrEnum):
    """A test compares the list with the contract's."""

    DATE_RANGE_TOO_WIDE = "DATE_RANGE_TOO_WIDE"
    DATE_RANGE_REVERSED = "DATE_RANGE_REVERSED"
    DATE_INVALID = "DATE_INVALID"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    EVENT_ID_REUSED = "EVENT_ID_REUSED"
    EVENT_INVALID = "EVENT_INVALID"
