"""The tables of the audit service: the log, which only grows, and what is derived from it for its search.

Whatever is not `audit_event` can be derived again from its bytes (`python -m audit_service rederive`). The
Merkle tree will stand beside it, in tables of its own, over `leaf_hash` in the order of `log_index`.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
)

# Nobody may change or remove what happened, the service itself included.
APPEND_ONLY: Final = {"grants": "SELECT, INSERT"}
DERIVED: Final = {"grants": "SELECT, INSERT, UPDATE, DELETE"}

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

audit_event = Table(
    "audit_event",
    metadata,
    # From 0, without gaps: the index of the leaf in the Merkle tree.
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", Uuid, nullable=False, unique=True),
    # The exact bytes that the producer sent.
    Column("event", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    # Never goes back from one index to the next, so that a time means a prefix of the log.
    Column("logged_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("log_index >= 0", name="log_index"),
    CheckConstraint("octet_length(leaf_hash) = 32", name="leaf_hash"),
    info=APPEND_ONLY,
)

event_search = Table(
    "event_search",
    metadata,
    # The day (UTC) on which it happened. A search is over days, and its answer comes from the bytes.
    Column("occurred_on", Date, primary_key=True),
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    # 0 when it is about several clients.
    Column("client_no", BigInteger, nullable=False),
    Column("producer", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("actor", Text, nullable=False),
    # A page is the newest events of at most 7 days, for each of the clients: these two give it without
    # sorting a week. There is none on log_index alone, which a planner would read from the end of the log in
    # search of a day.
    Index(None, "client_no", "occurred_on", "log_index"),
    info=DERIVED,
)

batch_session_state = Table(
    "batch_session_state",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", BigInteger, primary_key=True, autoincrement=False),
    # These three tell newer from older, in this order (rule 36).
    Column("version", BigInteger, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("status", Integer, nullable=False),
    Column("batch_no", Integer, nullable=False),
    # The name as search_text.folded gives it.
    Column("folded_name", Text, nullable=False),
    # The serialized tallybook.batch.v1.BatchSession.
    Column("session", LargeBinary, nullable=False),
    Index(None, "business_date", "session_no", "client_no"),
    Index(None, "client_no", "business_date", "session_no"),
    info=DERIVED,
)

# Every version that an event told of; which of them changed the status is found when the history is read,
# since an event that comes late may turn what looked like a change into none.
batch_session_version = Table(
    "batch_session_version",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("status", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("message", Text, nullable=False),
    info=DERIVED,
)

# Records that failed at least once. One that succeeded later stays, or a late event would make it fail again.
batch_record_result = Table(
    "batch_record_result",
    metadata,
    Column("client_no", BigInteger, primary_key=True, autoincrement=False),
    Column("session_no", BigInteger, primary_key=True, autoincrement=False),
    Column("record_no", BigInteger, primary_key=True, autoincrement=False),
    Column("tries", Integer, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("failed", Boolean, nullable=False),
    # The serialized tallybook.batch.v1.BatchRecord.
    Column("record", LargeBinary, nullable=False),
    info=DERIVED,
)
