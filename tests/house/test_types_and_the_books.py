"""What docs/types_and_the_books.md tells finance people is what the ledger does."""

import re

import pytest

from ledger_service.rules.gl_accounts import ACCOUNTS_RECEIVABLE, CHART
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.transaction_types import TRANSACTION_TYPES, TransactionType, VoidRule
from tallybook.ledger.v1 import account_pb2, invoice_pb2, ledger_pb2
from tests.house.tree import ROOT

PAGE = (ROOT / "docs" / "types_and_the_books.md").read_text(encoding="utf-8")
SECTIONS = {
    int(section["code"]): section
    for section in re.finditer(
        r"^### (?P<code>\d+) (?P<name>.+)\n(?P<text>(?:(?!^##).*\n)*)", PAGE, re.MULTILINE
    )
}
TYPES = [kind for kind in TRANSACTION_TYPES.values() if not kind.is_void]
OPERATIONS = {
    f"{service.name}.{method.name}"
    for file in (account_pb2, invoice_pb2, ledger_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
WIDTH = 44


def t_accounts(debited: str, credited: str) -> str:
    """Two accounts of the general ledger as T's, with a hundred on the debit of the first."""
    titles = [f"{code} {CHART[code].name}" for code in (debited, credited)]
    bar = "─" * 20
    lines = [
        "".join(title.ljust(WIDTH) for title in titles),
        "".join(f"{bar}┬{bar}".ljust(WIDTH) for _ in titles),
        f"{'100.00'.rjust(19)} │".ljust(WIDTH) + f"{' ' * 20}│ 100.00",
    ]
    return "\n".join(line.rstrip() for line in lines)


def undone_by(kind: TransactionType) -> str:
    """The operation that voids a type."""
    return {
        VoidRule.THROUGH_INVOICE: "InvoiceService.VoidInvoice",
        VoidRule.THROUGH_CREDIT_MEMO: "LedgerService.VoidCreditMemo",
    }.get(kind.void_rule, "LedgerService.VoidTransaction")


def test_every_type_has_its_section_in_the_order_of_the_codes() -> None:
    assert [(code, section["name"]) for code, section in SECTIONS.items()] == [
        (kind.code, kind.name) for kind in TYPES
    ]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: str(kind.code))
def test_a_section_says_what_its_type_does_to_the_balance_and_which_operations_make_and_void_it(
    kind: TransactionType,
) -> None:
    text = SECTIONS[kind.code]["text"]
    direction = "Raises" if kind.is_charge else "Lowers"
    assert f"**{direction} the balance.**" in text
    (made_by,) = re.findall(r"^- Made by `([\w.]+)`", text, re.MULTILINE)
    (voided_by,) = re.findall(r"^- Voided by `([\w.]+)`", text, re.MULTILINE)
    assert made_by in OPERATIONS
    assert voided_by == undone_by(kind)
    assert voided_by in OPERATIONS


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: str(kind.code))
def test_the_t_accounts_of_a_section_are_those_of_the_type(kind: TransactionType) -> None:
    drawn = re.findall(r"^```text\n(.*?)\n```$", SECTIONS[kind.code]["text"], re.MULTILINE | re.DOTALL)
    if kind.debit_gl_account is None or kind.credit_gl_account is None:
        assert not drawn, "the line type says which accounts they are"
    else:
        assert drawn == [t_accounts(kind.debit_gl_account, kind.credit_gl_account)]


def test_the_lines_of_invoices_are_listed_with_their_accounts() -> None:
    rows = re.findall(
        r"^\| (\d+) ([^|]+) \| (2[12]) \| (\d{4}) ([^|]+) \| (\d{4}) ([^|]+) \|$", PAGE, re.MULTILINE
    )
    assert rows == [
        (
            *(str(line.code), line.name, str(line.transaction_type)),
            *(line.debit_gl_account, CHART[line.debit_gl_account].name),
            *(line.credit_gl_account, CHART[line.credit_gl_account].name),
        )
        for line in INVOICE_LINE_TYPES.values()
    ]


def test_receivables_are_on_the_side_of_the_balance() -> None:
    """The sentence that the page begins with: the balance of 1200 is the sum of all account balances."""
    for kind in TYPES:
        if kind.debit_gl_account is not None:
            side = kind.debit_gl_account if kind.is_charge else kind.credit_gl_account
            assert side == ACCOUNTS_RECEIVABLE
