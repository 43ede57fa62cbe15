"""The settings of the ledger service."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from service_kit.settings import ServiceSettings


class LedgerSettings(ServiceSettings):
    """Read from TALLYBOOK_LEDGER_..."""

    model_config = SettingsConfigDict(env_prefix="TALLYBOOK_LEDGER_")

    port: Annotated[int, Field(ge=0, le=65535)] = 50051

    posting_lanes: Annotated[int, Field(ge=1, le=16)] = 2
    """How many commit groups may be under way at once, each on a connection of its own: while the database
    works on one, the next is prepared.
    """
    posting_group_size: Annotated[int, Field(ge=1)] = 16_000
    """A commit group takes no further request once it has so many drafts."""
    posting_queue_size: Annotated[int, Field(ge=1)] = 200_000
    """So many drafts may wait; a request beyond that is refused with OVERLOADED."""

    watches: Annotated[int, Field(ge=1)] = 500
    """So many calls of WatchTransactions may be open; a further one is refused with TOO_MANY_WATCHES."""
    watches_per_caller: Annotated[int, Field(ge=1)] = 20
    """So many of them may be of one caller."""
    watch_poll_seconds: Annotated[float, Field(gt=0)] = 0.2
    """How often a watched ledger looks for what other processes committed."""
    watch_heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    """A watch that has nothing to tell says so this often."""
