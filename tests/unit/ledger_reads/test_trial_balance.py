"""The trial balance: one for each currency, its lines by account code."""

from ledger_service.rules.trial_balance import TrialBalanceLine, by_currency


def test_a_trial_balance_sums_the_lines_of_its_currency() -> None:
    usd, eur = by_currency(
        [
            TrialBalanceLine("USD", "4000", "Revenue", 0, 700),
            TrialBalanceLine("EUR", "1200", "Receivable", 5, 5),
            TrialBalanceLine("USD", "1200", "Receivable", 900, 200),
        ]
    )[::-1]

    assert (usd.currency_code, eur.currency_code) == ("USD", "EUR")
    assert [line.gl_account for line in usd.lines] == ["1200", "4000"]
    assert (usd.total_debits, usd.total_credits) == (900, 900)
    assert (eur.total_debits, eur.total_credits) == (5, 5)


def test_a_client_without_transactions_has_no_trial_balance() -> None:
    assert by_currency([]) == []
