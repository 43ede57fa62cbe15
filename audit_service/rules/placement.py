"""Where an event goes in the log: a place of its own, the place it has already, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID


class Placing(Enum):
    """What became of an event that reached the log."""

    APPENDED = auto()
    DUPLICATE = auto()
    """It stands in the log already, with the same bytes."""
    REUSED = auto()
    """Its identifier stands in the log already, with other bytes."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What became of an event, and the place in the log where its identifier stands."""

    placing: Placing
    log_index: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """What tells events apart: the identifier, and the hash of the bytes, which stands for the bytes."""

    event_id: UUID
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in the log, as far as telling events apart needs it."""

    log_index: int
    leaf_hash: bytes


def place(arrivals: Sequence[Arrival], known: Mapping[UUID, Entry], next_index: int) -> list[Placement]:
    """Give each arrival its place, in order: the new ones `next_index`, `next_index` + 1 ... without a gap.

    known: what the log holds of the arrivals' identifiers. An identifier that arrives twice is new once.
    """
    entries = dict(known)
    placements = []
    for arrival in arrivals:
        entry = entries.get(arrival.event_id)
        if entry is None:
            entries[arrival.event_id] = Entry(next_index, arrival.leaf_hash)
            placements.append(Placement(Placing.APPENDED, next_index))
            next_index += 1
        else:
            same = entry.leaf_hash == arrival.leaf_hash
            placements.append(Placement(Placing.DUPLICATE if same else Placing.REUSED, entry.log_index))
    return placements
