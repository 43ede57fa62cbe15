"""What is open on an account, and which credit paid which charge."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from console.rendering import day, money, right, table, word
from tallybook.ledger.v1.application_pb2 import Application, OpenItem


def open_items_table(items: Iterable[OpenItem]) -> RenderableType:
    """One line an item: charges as they are paid, then credits."""
    grid = table(
        right("Event"),
        right("Code"),
        word("Effective"),
        word("Due"),
        right("Invoice"),
        right("Open"),
        word(""),
    )
    for item in items:
        grid.add_row(
            str(item.event_no),
            str(item.transaction_type),
            day(item.effective_date),
            day(item.due_date) if item.HasField("due_date") else "",
            str(item.invoice_no) if item.invoice_no else "",
            Text(money(item.open_amount), "" if item.charge else "green"),
            "" if item.charge else Text("held" if item.held else "unapplied credit", "yellow"),
        )
    return grid if grid.row_count else Text("Nothing is open.", "dim")


def applications_table(applications: Iterable[Application]) -> RenderableType:
    """One line an application; one that takes back another names it."""
    grid = table(
        right("No."),
        right("Credit"),
        right("paid charge"),
        right("Amount"),
        word("On"),
        right("By event"),
        word(""),
    )
    for each in applications:
        taken_back = each.takes_back_application_no
        grid.add_row(
            str(each.application_no),
            str(each.credit_event_no),
            str(each.charge_event_no),
            Text(f"{'-' if taken_back else ''}{money(each.amount)}"),
            day(each.effective_date),
            str(each.by_event_no) if each.by_event_no else "by hand",
            Text(f"takes back {taken_back}" if taken_back else "", "yellow"),
        )
    return grid if grid.row_count else Text("Nothing is applied.", "dim")
