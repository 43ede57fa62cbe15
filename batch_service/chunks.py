"""The units of work of a session: its set-up, its chunks of records, its finish. One kind of row, one kind of
lease.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from batch_service.processes.contract import RecordOutcome
from batch_service.sessions import SessionId

SETUP_CHUNK_NO: Final = 0
"""The set-up of a session (prepare and select) has this number; the chunks of records count from 1."""


class Step(IntEnum):
    """What a chunk is the work of."""

    SETUP = 1
    WORK = 2
    FINISH = 3


class ChunkState(IntEnum):
    """Where a chunk is. Pending -> Claimed -> Settled; back to Pending when its lease runs out or what it
    needs is away.
    """

    PENDING = 0
    CLAIMED = 1
    SETTLED = 2
    CANCELLED = 3
    """Its session was told to stop; resuming the session makes it Pending again."""
    SPLIT = 4
    """Other chunks took its place: its records, if it had any, are in them now."""


@dataclass(frozen=True, slots=True)
class ChunkTicket:
    """What is delivered to a worker: the right to try to claim a chunk. An outdated epoch makes it
    worthless.
    """

    client_no: int
    session_no: int
    chunk_no: int
    epoch: int

    @property
    def session_id(self) -> SessionId:
        """The session that it belongs to."""
        return SessionId(self.client_no, self.session_no)


@dataclass(frozen=True, slots=True)
class Claim:
    """A chunk that a worker holds a lease on. Its `ticket` has the epoch of the claim: only with it can it be
    settled.
    """

    ticket: ChunkTicket
    step: Step


class LoadedRecord(NamedTuple):
    """A record of a claimed chunk, with what became of it before."""

    record_no: int
    record_key: str
    acct_no: int
    payload: bytes
    outcome: RecordOutcome
    tries: int
