"""What becomes of a chunk whose worker was lost: again, split, or given up (rule 28).

A worker that dies may be nobody's fault (a deployment, a power cut) or a record's (its payload exhausts the
memory). So a chunk gets several tries before it is halved; its halves, already under suspicion, are halved
again at the next loss, and a record that is alone gets all the tries once more before it is given up.

A worker works several chunks at once, and takes all of them down with it. So the try whose loss would decide
about a chunk is made while its worker does nothing else: what is lost then is lost to the chunk itself.
"""

from dataclasses import dataclass
from enum import Enum, auto


class Rescue(Enum):
    """What becomes of a chunk whose lease ran out."""

    AGAIN = auto()
    SPLIT = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class LostChunk:
    """A chunk whose lease ran out: how many records it has, and how many leases ran out on it, with this."""

    records: int
    losses: int


def decide_rescue(chunk: LostChunk, losses_allowed: int) -> Rescue:
    """What becomes of the chunk. A step without records (set-up, finish) can't be split."""
    if chunk.losses < losses_allowed:
        return Rescue.AGAIN
    return Rescue.SPLIT if chunk.records > 1 else Rescue.GIVE_UP


def is_worked_alone(losses: int, losses_allowed: int) -> bool:
    """Whether the next loss decides about a chunk with so many losses, so that no other may share it."""
    return losses + 1 >= losses_allowed


def split_sizes(records: int) -> tuple[int, int]:
    """How many records each half gets."""
    assert records > 1
    return records - records // 2, records // 2


def losses_of_half(records: int, losses_allowed: int) -> int:
    """The losses that a half with so many records starts with."""
    return losses_allowed - 1 if records > 1 else 0
