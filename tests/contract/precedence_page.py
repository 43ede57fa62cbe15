"""Makes docs/error_precedence.md from the ladders: python -m tests.contract.precedence_page"""

from pathlib import Path
from typing import Final

from tests.contract.precedence import World, ladders

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "error_precedence.md"

_HEAD: Final = """\
# Which refusal wins

A request with several faults is refused with one reason. This page says with which: the first that applies.
It is made from the table by which the tests call every RPC with many faults at once
(`python -m tests.contract.precedence_page`), so it is what the services do.

What is asked of every call, in all services, before the RPC's own list:

1. `CREDENTIALS_MISSING`, `CREDENTIALS_INVALID`: who calls is not known.
2. `ROLE_MISSING`: the caller may not call this RPC for anybody.
3. `INVALID_REQUEST`: the bytes are no message of the RPC's type.
4. `CLIENT_NOT_ALLOWED`: the caller may not name this client.
5. `INVALID_REQUEST`: a field breaks the rule that the contract states at it. All such fields are named.

A message beyond the size limit is refused by gRPC itself, before all of these. `REQUEST_ID_REUSED` stands
where the key is looked up: a request that is repeated with its key is told of nothing that comes after it,
since it gets its first answer. `protos/tallybook/ledger/v1/error_reason.proto` describes the reasons.

| RPC of the ledger | Its refusals: the first that applies wins |
| --- | --- |
"""

_FOOT: Final = """
A reason that is there twice is asked for twice: of a field in itself, and of what it refers to. Where a call
decides many things (`PostTransactions`, `CreateInvoices`, `CloseStatements`), what is wrong with one of them
is told in its own result; in `PostTransactions` it is that of the call when it is all or nothing.
"""


def page() -> str:
    """The page for people."""
    rows = []
    for rpc, ladder in sorted(ladders(World()).items()):
        reasons = ", ".join(f"`{rung.reason}`" for rung in ladder.rungs if rung.reason)
        rows.append(f"| `{rpc.replace('/', '.')}` | {reasons} |\n")
    return _HEAD + "".join(rows) + _FOOT


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
