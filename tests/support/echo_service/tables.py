"""The tables of the echo service: one that may only grow, one that may change, and the outbox."""

from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text

from service_kit.outbox import outbox_table

metadata = MetaData(info={"grants": {"loud_note": "SELECT"}})

note = Table(
    "note",
    metadata,
    Column("note_no", BigInteger, Identity(), primary_key=True),
    Column("client_no", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    info={"grants": "SELECT, INSERT"},
)

draft = Table(
    "draft",
    metadata,
    Column("draft_no", BigInteger, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    info={"grants": "SELECT, INSERT, UPDATE (text), DELETE"},
)

audit_outbox = outbox_table(metadata)
