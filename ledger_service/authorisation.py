"""Who may call what: one row for each RPC of the ledger."""

from typing import Final

from service_kit.authorisation import AuthorisationTable, ClientScope, Rule

READER: Final = "reader"
POSTER: Final = "poster"
SUPPORT: Final = "support"
DUNNING: Final = "dunning"
OPERATOR: Final = "operator"

# Who may write may read what it writes about.
_READ: Final = Rule(roles=frozenset({READER, POSTER, SUPPORT, DUNNING}))
_READ_OR_SET_UP: Final = Rule(roles=_READ.roles | {OPERATOR})
# To say where things are booked is no business of those who post them.
_SET_UP: Final = Rule(roles=frozenset({OPERATOR}))
_READ_OF_NO_CLIENT: Final = Rule(roles=_READ.roles, client_scope=ClientScope.NONE)
_POST: Final = Rule(roles=frozenset({POSTER}))
# Which types a draft may have depends on the roles, too: that is decided draft by draft (rule 19).
_POST_ANY_TYPE: Final = Rule(roles=frozenset({POSTER, SUPPORT, DUNNING}))
_ASSESS: Final = Rule(roles=frozenset({DUNNING}))
_CHARGE: Final = Rule(roles=frozenset({SUPPORT}))

_LEDGER: Final = "/tallybook.ledger.v1.LedgerService"
_ACCOUNTS: Final = "/tallybook.ledger.v1.AccountService"
_APPLICATIONS: Final = "/tallybook.ledger.v1.ApplicationService"
_INVOICES: Final = "/tallybook.ledger.v1.InvoiceService"
_STATEMENTS: Final = "/tallybook.ledger.v1.StatementService"
_VERIFICATION: Final = "/tallybook.ledger.v1.VerificationService"
_JOURNAL: Final = "/tallybook.ledger.v1.JournalService"
_GL_ACCOUNTS: Final = "/tallybook.ledger.v1.GlAccountService"
_TRANSACTION_TYPES: Final = "/tallybook.ledger.v1.TransactionTypeService"

AUTHORISATION: Final = AuthorisationTable(
    {
        f"{_ACCOUNTS}/CreateAccount": _POST,
        f"{_ACCOUNTS}/CreatePlanInstance": _POST,
        f"{_ACCOUNTS}/GetAccount": _READ,
        f"{_ACCOUNTS}/ListAccounts": _READ,
        f"{_ACCOUNTS}/GetBalance": _READ,
        f"{_ACCOUNTS}/BatchGetBalances": _READ,
        f"{_ACCOUNTS}/ListAging": _READ,
        f"{_ACCOUNTS}/GetStatement": _READ,
        f"{_LEDGER}/PostTransactions": _POST_ANY_TYPE,
        f"{_LEDGER}/RecordExternalPayment": _POST,
        f"{_LEDGER}/RecordElectronicPayment": _POST,
        f"{_LEDGER}/ApplyCashCredit": _POST,
        f"{_LEDGER}/AssessDunningCharge": _ASSESS,
        f"{_LEDGER}/IssueRefund": _POST,
        f"{_LEDGER}/CreateWriteOff": _POST,
        f"{_LEDGER}/CreateDispute": _POST,
        f"{_LEDGER}/SettleDispute": _POST,
        f"{_LEDGER}/TransferAccountBalance": _POST,
        f"{_LEDGER}/CreateExternalCharge": _CHARGE,
        f"{_LEDGER}/CreateCreditMemo": _POST,
        f"{_LEDGER}/VoidCreditMemo": _POST,
        f"{_LEDGER}/VoidTransaction": _POST_ANY_TYPE,
        f"{_LEDGER}/GetTransaction": _READ,
        f"{_LEDGER}/BatchGetTransactions": _READ,
        f"{_LEDGER}/ListTransactions": _READ,
        f"{_LEDGER}/ListDisputes": _READ,
        f"{_APPLICATIONS}/ListOpenItems": _READ,
        f"{_APPLICATIONS}/ListApplications": _READ,
        f"{_APPLICATIONS}/ApplyUnappliedCredit": _POST,
        f"{_INVOICES}/CreateInvoices": _POST,
        f"{_INVOICES}/VoidInvoice": _POST,
        f"{_INVOICES}/GetInvoice": _READ,
        f"{_INVOICES}/ListInvoices": _READ,
        f"{_STATEMENTS}/CloseStatements": _POST,
        f"{_STATEMENTS}/ListStatements": _READ,
        f"{_STATEMENTS}/GetClosedStatement": _READ,
        f"{_VERIFICATION}/VerifyLedger": _READ,
        f"{_VERIFICATION}/GetTrialBalance": _READ,
        f"{_JOURNAL}/WatchTransactions": _READ,
        f"{_JOURNAL}/ExportJournal": _READ,
        f"{_GL_ACCOUNTS}/ListGlAccounts": _READ_OR_SET_UP,
        f"{_GL_ACCOUNTS}/CreateGlAccount": _SET_UP,
        f"{_GL_ACCOUNTS}/ListGlMappings": _READ_OR_SET_UP,
        f"{_GL_ACCOUNTS}/SetGlMapping": _SET_UP,
        f"{_GL_ACCOUNTS}/ResetGlMapping": _SET_UP,
        f"{_TRANSACTION_TYPES}/ListTransactionTypes": _READ_OF_NO_CLIENT,
    }
)
