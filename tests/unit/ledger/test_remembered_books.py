"""What is remembered of the books, and when it is forgotten."""

from datetime import date

from ledger_service.remembered_books import RememberedBooks
from ledger_service.rules.applications import Waiting
from ledger_service.rules.books import Account, Books
from ledger_service.rules.needs import Needs

TODAY = date(2026, 3, 1)
KINDS = ("event_no",)


def keep(
    remembered: RememberedBooks, acct_no: int, *, version: int, decided_on: int, plan_balance: int
) -> None:
    """An account with one plan instance, whose number is ten times its own, is left so."""
    plan_instance = (1, 10 * acct_no)
    books = Books(
        accounts={(1, acct_no): Account("USD", 30)},
        plan_instances={plan_instance: acct_no},
        plan_balances={plan_instance: plan_balance},
    )
    row = (1, acct_no, 7, 40, 5, 0, TODAY.toordinal(), version)
    remembered.keep([row], books, {(1, acct_no): decided_on}, {"event_no": 41})


def recalled(remembered: RememberedBooks, acct_no: int, *plan_instances: int) -> Books | None:
    """The books with what is remembered of an account, and of these plan instances; None where it is not."""
    books, versions, numbers = Books(), dict[tuple[int, int], int](), dict[str, int]()
    needs = Needs(accounts={(1, acct_no)}, plan_instances={(1, each) for each in plan_instances})
    found = remembered.recall(needs, KINDS, books, versions, numbers)
    assert not found or numbers == {"event_no": 41}
    return books if found else None


def test_an_account_is_recalled_as_it_was_left() -> None:
    remembered = RememberedBooks(10)
    keep(remembered, 1, version=5, decided_on=4, plan_balance=3)

    books = recalled(remembered, 1, 10)

    assert books is not None
    assert books.accounts == {(1, 1): Account("USD", 30)}
    assert books.balances == {(1, 1): 7}
    assert books.waiting == {(1, 1): Waiting(5, 0, TODAY, 40)}
    assert books.plan_instances == {(1, 10): 1}
    assert books.plan_balances == {(1, 10): 3}


def test_what_is_not_remembered_whole_is_not_recalled() -> None:
    remembered = RememberedBooks(10)
    keep(remembered, 1, version=5, decided_on=4, plan_balance=3)
    keep(remembered, 2, version=5, decided_on=4, plan_balance=3)

    assert recalled(remembered, 3) is None
    assert recalled(remembered, 1, 11) is None
    assert recalled(remembered, 1, 20) is None, "the plan instance is another account's"
    assert not remembered.recall(Needs(accounts={(1, 1)}), ["group_no"], Books(), {}, {})


def test_a_plan_instance_is_forgotten_when_somebody_else_posted_on_its_account() -> None:
    remembered = RememberedBooks(10)
    keep(remembered, 1, version=5, decided_on=4, plan_balance=3)
    without_plan = Books(accounts={(1, 1): Account("USD", 30)})
    row = (1, 1, 8, 41, 6, 0, TODAY.toordinal(), 6)

    remembered.keep([row], without_plan, {(1, 1): 5}, {"event_no": 41})
    assert recalled(remembered, 1, 10) is not None, "only this process posted on the account"

    remembered.keep([row], without_plan, {(1, 1): 9}, {"event_no": 41})
    assert recalled(remembered, 1) is not None
    assert recalled(remembered, 1, 10) is None


def test_what_is_forgotten_is_not_recalled() -> None:
    remembered = RememberedBooks(10)
    keep(remembered, 1, version=5, decided_on=4, plan_balance=3)
    remembered.forget([(1, 1)])
    keep(remembered, 2, version=5, decided_on=4, plan_balance=3)

    assert recalled(remembered, 1) is None
    assert recalled(remembered, 2) is not None
    remembered.forget([])
    assert recalled(remembered, 2) is None, "somebody else takes numbers"


def test_who_was_wrong_asks_for_a_while() -> None:
    remembered = RememberedBooks(10)
    remembered.was_wrong([])
    keep(remembered, 1, version=5, decided_on=4, plan_balance=3)

    tries = [recalled(remembered, 1) is not None for _ in range(25)]

    assert tries == [False] * 20 + [True] * 5


def test_all_is_forgotten_before_it_is_too_much() -> None:
    remembered = RememberedBooks(10)
    for acct_no in range(1, 100):
        keep(remembered, acct_no, version=5, decided_on=4, plan_balance=3)
        assert recalled(remembered, acct_no) is not None
        assert sum(recalled(remembered, each) is not None for each in range(1, 100)) <= 10
