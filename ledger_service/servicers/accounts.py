"""AccountService: opens accounts and plan instances; its reading half is in `account_reads`."""

from ledger_service.servicers.account_reads import AccountReads


class AccountServicer(AccountReads):
    """The whole of AccountService."""
