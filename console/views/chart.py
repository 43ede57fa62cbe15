"""The chart of accounts, and what is booked to them."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from console.rendering import day, instant, prose, table, word
from tallybook.ledger.v1.gl_account_pb2 import (
    GL_ORIGIN_CLIENT,
    GlAccount,
    GlAccountKind,
    GlMapping,
    GlMappingKey,
    GlOrigin,
)


def kind_name(kind: GlAccountKind.ValueType) -> str:
    """ "contra revenue" """
    return GlAccountKind.Name(kind).removeprefix("GL_ACCOUNT_KIND_").replace("_", " ").lower()


def accounts_table(accounts: Iterable[GlAccount]) -> RenderableType:
    """The accounts by code; the client's own stand out."""
    grid = table(word("Code"), prose("Name"), word("Kind"), word("Origin"))
    for account in accounts:
        grid.add_row(account.code, account.name, kind_name(account.kind), _origin(account.origin))
    return grid


def mappings_table(mappings: Iterable[GlMapping]) -> RenderableType:
    """What is debited and credited for each type, and the changes that were made beneath."""
    grid = table(word("Type"), prose("Name"), word("Dr"), word("Cr"), word("Origin"), prose("Changes"))
    for mapping in mappings:
        changes = [
            f"{override.gl_account or 'default'} from event {override.from_event_no}"
            + (f" and {day(override.effective_from)}" if override.HasField("effective_from") else "")
            + f" ({override.actor}, {instant(override.created_at)})"
            for override in mapping.overrides
        ]
        grid.add_row(
            _key(mapping.key),
            mapping.name,
            mapping.debit_gl_account,
            mapping.credit_gl_account,
            _origin(mapping.origin),
            "\n".join(changes),
        )
    return grid


def _key(key: GlMappingKey) -> str:
    if key.HasField("invoice_line_type"):
        return f"line {key.invoice_line_type}"
    return str(key.transaction_type)


def _origin(origin: GlOrigin.ValueType) -> RenderableType:
    return Text("own", "bold") if origin == GL_ORIGIN_CLIENT else Text("default", "dim")
