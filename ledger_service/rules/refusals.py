"""Every refusal of the ledger's rules, and the order in which a request with several faults is told of them.

1. The call: credentials, roles, client, the field rules of the contract (the service kit's part).
2. The key: a request whose request_id is known gets its first answer or REQUEST_ID_REUSED, and nothing below
   is asked. A draft that is wrong in itself (3) is told so even before.
3. The draft in itself: DATE_INVALID, SOURCE_MISMATCH, TYPE_NOT_ALLOWED, AMOUNT_INVALID, CURRENCY_UNKNOWN,
   REASON_REQUIRED, INVALID_REQUEST, TRANSFER_TO_ITSELF, then DOCUMENT_INVALID for what its document lacks.
4. What it names: ACCOUNT_NOT_FOUND, PLAN_INSTANCE_NOT_FOUND, CURRENCY_MISMATCH, TRANSACTION_NOT_FOUND or
   INVOICE_NOT_FOUND, SOURCE_MISMATCH for what belongs to another account.
5. The rule of its operation, in the order in which its function below `rules/` asks.
6. AMOUNT_OUT_OF_RANGE.

For a void, 4 and 5 are: TRANSACTION_NOT_FOUND, VOID_OF_VOID, VOID_THE_INVOICE, VOID_THE_REFUND,
VOID_THE_CREDIT_MEMO, VOID_TYPE_MISMATCH, SOURCE_MISMATCH, TYPE_NOT_ALLOWED, ALREADY_VOIDED,
PAYMENT_REFUNDED, VOID_THE_REFUND. For an invoice: INVOICE_NOT_FOUND, INVOICE_ALREADY_VOIDED,
INVOICE_HAS_CREDIT_MEMO, INVOICE_HAS_WRITE_OFF, VOID_THE_REFUND.

An operation that names a payment, an invoice, a charge or a memo instead of an account is told even before 2
that there is no such thing, that it is NOT_A_DISPUTE, or that it is refunded otherwise (SOURCE_MISMATCH).

docs/error_precedence.md has the order for each RPC, made from the table that the tests go through.
"""

from datetime import date, timedelta

from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.transaction_types import TransactionType
from service_kit.errors import (
    DomainError,
    ErrorKind,
    FieldViolation,
    PreconditionViolation,
    SharedReason,
    invalid_field,
)
from service_kit.money import Money

# -------------------------------------------------------------------------------------- the draft in itself


def source_mismatch(kind: TransactionType) -> DomainError:
    """The source given is not the one that the type needs."""
    needed = "no source" if kind.source is None else f"the source {kind.source.__name__}"
    return invalid_field("source", f"type {kind.code} ({kind.name}) needs {needed}", "SOURCE_MISMATCH")


def line_type_mismatch(kind: TransactionType, line_type: int) -> DomainError:
    """The line type belongs to the other type of invoice lines."""
    right = INVOICE_LINE_TYPES[line_type]
    return invalid_field(
        "new_invoice_line.line_type",
        f"a line of type {line_type} ({right.name}) is posted as {right.transaction_type}, not {kind.code}",
        "SOURCE_MISMATCH",
    )


def expiry_mismatch() -> DomainError:
    """A dispute hold without an expiry, or a write-off with one."""
    return invalid_field(
        "write_off.expires_on",
        "a dispute hold needs the day on which it ends, and a write-off for good has none",
        "SOURCE_MISMATCH",
    )


def type_not_allowed(kind: TransactionType) -> DomainError:
    """The caller lacks the role that the type demands (rule 19)."""
    return DomainError(
        ErrorKind.PERMISSION_DENIED,
        "TYPE_NOT_ALLOWED",
        f"type {kind.code} ({kind.name}) may be posted only with the role {kind.required_role}",
        metadata={"transaction_type": str(kind.code), "acceptable_roles": str(kind.required_role)},
    )


def not_directable(kind: TransactionType) -> DomainError:
    """Whom it pays is no choice: it is a charge, or what it is for follows from what it is."""
    return invalid_field(
        "application",
        f"type {kind.code} ({kind.name}) takes no instruction: only payments and cash credits do",
        "SOURCE_MISMATCH",
    )


def amount_required(kind: TransactionType) -> DomainError:
    """The type needs an amount."""
    return invalid_field("amount", f"type {kind.code} ({kind.name}) needs an amount", "AMOUNT_INVALID")


def amount_forbidden(kind: TransactionType) -> DomainError:
    """A void has the amount of what it voids."""
    return invalid_field(
        "amount",
        f"type {kind.code} ({kind.name}) has the amount of what it voids: leave it out",
        "AMOUNT_INVALID",
    )


def amount_range_invalid(amount_from: Money, amount_to: Money) -> DomainError:
    """A filter by amount that nothing can pass."""
    return invalid_field(
        "amount_to",
        f"must be in the currency of amount_from and not less: {amount_to} is not so with {amount_from}",
        "AMOUNT_INVALID",
    )


def currency_unknown(currency: str) -> DomainError:
    """The code is none of ISO 4217."""
    return invalid_field(
        "amount.currency_code",
        f"{currency!r} is not a currency of ISO 4217: give its three letter code, e.g. USD",
        "CURRENCY_UNKNOWN",
    )


def reason_required(kind: TransactionType, field: str) -> DomainError:
    """The type needs a reason code or a comment, and one that says something."""
    what = field.replace("_", " ")
    return invalid_field(
        field, f"type {kind.code} ({kind.name}) needs a {what}, and blanks are none", "REASON_REQUIRED"
    )


def text_with_nul(field: str) -> DomainError:
    """A text holds the character that PostgreSQL can't store."""
    return invalid_field(field, "must not contain the character NUL")


def date_invalid(field: str, description: str) -> DomainError:
    """A day that does not fit another one."""
    return invalid_field(field, description, "DATE_INVALID")


def document_invalid(description: str) -> DomainError:
    """The drafts of a document don't belong together, or are not complete."""
    return invalid_field("document", description, "DOCUMENT_INVALID")


def transfer_to_itself(acct_no: int) -> DomainError:
    """Source and target of a transfer are one account."""
    return invalid_field(
        "balance_transfer.counterpart_acct_no",
        f"account {acct_no} can't transfer to itself: name another account",
        "TRANSFER_TO_ITSELF",
    )


# -------------------------------------------------------------------------------------------- what it names


def account_not_found(client_no: int, acct_no: int) -> DomainError:
    """The client has no such account."""
    return DomainError(
        ErrorKind.NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
        f"client {client_no} has no account {acct_no}",
        metadata={"acct_no": str(acct_no)},
    )


def plan_instance_not_found(acct_no: int, plan_instance_no: int) -> DomainError:
    """The account has no such plan instance."""
    return DomainError(
        ErrorKind.NOT_FOUND,
        "PLAN_INSTANCE_NOT_FOUND",
        f"account {acct_no} has no plan instance {plan_instance_no}",
        metadata={"acct_no": str(acct_no), "plan_instance_no": str(plan_instance_no)},
    )


def transaction_not_found(client_no: int, event_no: int) -> DomainError:
    """The client has no such transaction."""
    return DomainError(
        ErrorKind.NOT_FOUND,
        "TRANSACTION_NOT_FOUND",
        f"client {client_no} has no transaction {event_no}",
        metadata={"event_no": str(event_no)},
    )


def invoice_not_found(client_no: int, invoice_no: int) -> DomainError:
    """The client has no such invoice."""
    return DomainError(
        ErrorKind.NOT_FOUND,
        "INVOICE_NOT_FOUND",
        f"client {client_no} has no invoice {invoice_no}",
        metadata={"invoice_no": str(invoice_no)},
    )


def credit_memo_not_found(client_no: int, cm_no: int) -> DomainError:
    """The client has no such credit memo."""
    return DomainError(
        ErrorKind.NOT_FOUND,
        "CREDIT_MEMO_NOT_FOUND",
        f"client {client_no} has no credit memo {cm_no}",
        metadata={"cm_no": str(cm_no)},
    )


def statement_not_found(client_no: int, statement_no: int) -> DomainError:
    """The client has no such closed statement."""
    return DomainError(
        ErrorKind.NOT_FOUND,
        "STATEMENT_NOT_FOUND",
        f"client {client_no} has no closed statement {statement_no}",
        metadata={"statement_no": str(statement_no)},
    )


def currency_mismatch(acct_no: int, account_currency: str, given: str) -> DomainError:
    """An account has one currency (rule 5)."""
    return DomainError(
        ErrorKind.INVALID_ARGUMENT,
        "CURRENCY_MISMATCH",
        f"account {acct_no} is in {account_currency}, so it takes no {given}",
        metadata={"acct_no": str(acct_no), "currency_code": account_currency},
        field_violations=(
            FieldViolation("amount.currency_code", f"must be {account_currency}", "CURRENCY_MISMATCH"),
        ),
    )


def opening_currency_mismatch(account_currency: str, given: str) -> DomainError:
    """The opening balance is in another currency than the account that is opened."""
    return invalid_field(
        "opening_balance.currency_code",
        f"the account is to be in {account_currency}, so its opening balance is not in {given}",
        "CURRENCY_MISMATCH",
    )


def belongs_elsewhere(field: str, what: str, expected: str) -> DomainError:
    """What the draft refers to is of another account or plan instance than the draft."""
    return invalid_field(field, f"{what} is of {expected}", "SOURCE_MISMATCH")


# ----------------------------------------------------------------------------------- the rules of the state


def _precondition(
    reason: str,
    message: str,
    subject: str,
    kind: ErrorKind = ErrorKind.FAILED_PRECONDITION,
    **metadata: int | str,
) -> DomainError:
    return DomainError(
        kind,
        reason,
        message,
        # 0 is what has no number yet, because it is only now being posted.
        metadata={key: str(value) for key, value in metadata.items() if value},
        precondition_violations=(PreconditionViolation(reason, subject, message),),
    )


def void_of_void(event_no: int) -> DomainError:
    """A void can't be voided."""
    return _precondition(
        "VOID_OF_VOID",
        f"transaction {event_no} is a void, and a void can't be voided: post what it undid again",
        f"transaction/{event_no}",
        event_no=event_no,
    )


def already_voided(event_no: int, voided_by_event_no: int) -> DomainError:
    """It was voided before."""
    by = f" by {voided_by_event_no}" if voided_by_event_no else ""
    return _precondition(
        "ALREADY_VOIDED",
        f"transaction {event_no} was voided before{by}",
        f"transaction/{event_no}",
        event_no=event_no,
        voided_by_event_no=voided_by_event_no,
    )


def void_type_mismatch(event_no: int, code: int, given: int) -> DomainError:
    """The draft's type is not the void of the target's."""
    return DomainError(
        ErrorKind.INVALID_ARGUMENT,
        "VOID_TYPE_MISMATCH",
        f"transaction {event_no} is of type {code}, so its void is of type {-code}, not {given}",
        metadata={"event_no": str(event_no), "transaction_type": str(-code)},
        field_violations=(FieldViolation("transaction_type", f"must be {-code}", "VOID_TYPE_MISMATCH"),),
    )


def void_the_invoice(event_no: int, invoice_no: int) -> DomainError:
    """Lines of an invoice are voided with their invoice."""
    return _precondition(
        "VOID_THE_INVOICE",
        f"transaction {event_no} is a line of invoice {invoice_no}: void the whole invoice with VoidInvoice",
        f"invoice/{invoice_no}",
        event_no=event_no,
        invoice_no=invoice_no,
        operation="VoidInvoice",
    )


def void_the_refund(event_no: int, refund_event_no: int) -> DomainError:
    """A reversal goes with its refund: so does its void."""
    return _precondition(
        "VOID_THE_REFUND",
        f"transaction {event_no} is a reversal that goes with refund {refund_event_no}: void the refund with"
        " VoidTransaction",
        f"transaction/{refund_event_no}",
        event_no=event_no,
        refund_event_no=refund_event_no,
        operation="VoidTransaction",
    )


def charge_reversed(event_no: int, reversal_event_no: int) -> DomainError:
    """A charge whose reversal stands stays, or the reversal would reverse nothing."""
    by = f" by {reversal_event_no}" if reversal_event_no else ""
    return _precondition(
        "VOID_THE_REFUND",
        f"transaction {event_no} is reversed{by}, which goes with a refund: void that refund first",
        f"transaction/{event_no}",
        event_no=event_no,
        reversal_event_no=reversal_event_no,
    )


def void_the_credit_memo(event_no: int, cm_no: int) -> DomainError:
    """Lines of a credit memo are voided with their memo."""
    return _precondition(
        "VOID_THE_CREDIT_MEMO",
        f"transaction {event_no} is a line of credit memo {cm_no}: void the whole memo with VoidCreditMemo",
        f"credit_memo/{cm_no}",
        event_no=event_no,
        cm_no=cm_no,
        operation="VoidCreditMemo",
    )


def payment_refunded(event_no: int, refund_event_no: int) -> DomainError:
    """A refund of the payment stands (rule 13)."""
    return _precondition(
        "PAYMENT_REFUNDED",
        f"payment {event_no} has a refund that stands: void the refund first",
        f"transaction/{event_no}",
        event_no=event_no,
        refund_event_no=refund_event_no,
    )


def reference_code_taken(acct_no: int, reference_code: str, event_no: int) -> DomainError:
    """The reference code is that of another payment which stands (rule 11)."""
    return _precondition(
        "REFERENCE_CODE_TAKEN",
        f"account {acct_no} has a payment with the reference code {reference_code!r} already",
        f"account/{acct_no}",
        ErrorKind.ALREADY_EXISTS,
        acct_no=acct_no,
        event_no=event_no,
    )


def gateway_reference_taken(gateway_reference: str, event_no: int) -> DomainError:
    """The gateway gave the reference for another payment or refund (rule 12)."""
    return _precondition(
        "GATEWAY_REFERENCE_TAKEN",
        f"the gateway reference {gateway_reference!r} was recorded before",
        "payments",
        ErrorKind.ALREADY_EXISTS,
        event_no=event_no,
    )


def credit_exceeds_balance(acct_no: int, balance: Money, amount: Money) -> DomainError:
    """A cash credit is at most the balance (rule 18)."""
    return _precondition(
        "CREDIT_EXCEEDS_BALANCE",
        f"a credit of {amount} is more than the balance of {balance}",
        f"account/{acct_no}",
        acct_no=acct_no,
        balance=balance.minor_units,
    )


def balance_forward_not_first(acct_no: int) -> DomainError:
    """An opening balance opens (rule 17)."""
    return _precondition(
        "BALANCE_FORWARD_NOT_FIRST",
        f"account {acct_no} has transactions already: a balance forward has to be the first",
        f"account/{acct_no}",
        acct_no=acct_no,
    )


def invoice_exists(acct_no: int, invoice_no: int) -> DomainError:
    """The billing period has an invoice that stands (rule 20); 0: one of the same call, refused with it."""
    by = f"invoice {invoice_no}" if invoice_no else "another invoice of this call"
    return _precondition(
        "INVOICE_EXISTS",
        f"account {acct_no} has {by} for this billing period already",
        f"invoice/{invoice_no}" if invoice_no else f"account/{acct_no}",
        ErrorKind.ALREADY_EXISTS,
        acct_no=acct_no,
        invoice_no=invoice_no,
    )


def invoice_already_voided(invoice_no: int) -> DomainError:
    """The invoice was voided before."""
    return _precondition(
        "INVOICE_ALREADY_VOIDED",
        f"invoice {invoice_no} was voided before",
        f"invoice/{invoice_no}",
        invoice_no=invoice_no,
    )


def invoice_has_credit_memo(invoice_no: int, memo_event_no: int) -> DomainError:
    """A credit memo stands on the invoice (rule 20)."""
    return _precondition(
        "INVOICE_HAS_CREDIT_MEMO",
        f"invoice {invoice_no} has a credit memo that stands: void the memo first",
        f"invoice/{invoice_no}",
        invoice_no=invoice_no,
        memo_event_no=memo_event_no,
    )


def invoice_has_write_off(invoice_no: int, event_no: int) -> DomainError:
    """A write-off or a dispute hold stands on the invoice, and would be left as a credit of its own."""
    return _precondition(
        "INVOICE_HAS_WRITE_OFF",
        f"invoice {invoice_no} has a write-off or a dispute hold that stands: void that with VoidTransaction,"
        " or settle the dispute, first",
        f"invoice/{invoice_no}",
        invoice_no=invoice_no,
        write_off_event_no=event_no,
    )


def refund_exceeds_payment(event_no: int, left: Money, amount: Money) -> DomainError:
    """The live refunds of a payment never exceed it (rule 14)."""
    return _precondition(
        "REFUND_EXCEEDS_PAYMENT",
        f"a refund of {amount} is more than the {left} that is left of payment {event_no}",
        f"transaction/{event_no}",
        payment_event_no=event_no,
        left=left.minor_units,
    )


def payment_not_refundable(event_no: int, why: str) -> DomainError:
    """The payment is voided, or none that this type of refund is for (rule 14)."""
    return _precondition(
        "PAYMENT_NOT_REFUNDABLE",
        f"transaction {event_no} can't be refunded so: {why}",
        f"transaction/{event_no}",
        payment_event_no=event_no,
    )


def reversals_exceed_refund(refund: Money, reversals: Money) -> DomainError:
    """The reversals of a refund are at most the refund (rule 14)."""
    return _precondition(
        "REVERSAL_EXCEEDS_CHARGE",
        f"reversals of {reversals} are more than the refund of {refund}",
        "document",
        refund=refund.minor_units,
        reversals=reversals.minor_units,
    )


def reversal_exceeds_charge(event_no: int, left: Money, amount: Money) -> DomainError:
    """A reversal is at most what is left of its charge (rule 14)."""
    return _precondition(
        "REVERSAL_EXCEEDS_CHARGE",
        f"a reversal of {amount} is more than the {left} that is left of charge {event_no}",
        f"transaction/{event_no}",
        charge_event_no=event_no,
        left=left.minor_units,
    )


def refund_method_mismatch(event_no: int, kind: TransactionType, needed: str, given: str) -> DomainError:
    """An electronic payment is returned through the gateway, a check by a check (rule 14)."""
    return invalid_field(
        given,
        f"payment {event_no} is of type {kind.code} ({kind.name}): give its {needed} instead",
        "SOURCE_MISMATCH",
    )


def not_a_dispute(event_no: int, kind: TransactionType) -> DomainError:
    """Only a dispute hold can be settled (rule 15)."""
    return _precondition(
        "NOT_A_DISPUTE",
        f"transaction {event_no} is of type {kind.code} ({kind.name}), and no dispute hold",
        f"transaction/{event_no}",
        event_no=event_no,
    )


def not_reversible(event_no: int, kind: TransactionType) -> DomainError:
    """What is to be reversed is no charge to the customer."""
    return invalid_field(
        "refund_reversal.charge_event_no",
        f"transaction {event_no} is of type {kind.code} ({kind.name}), which can't be reversed",
        "SOURCE_MISMATCH",
    )


def not_applicable(event_no: int, kind: TransactionType) -> DomainError:
    """What is to be applied is no credit."""
    return invalid_field(
        "credit_event_no",
        f"transaction {event_no} is of type {kind.code} ({kind.name}), which is no credit that pays charges",
        "SOURCE_MISMATCH",
    )


def no_charge(event_no: int, kind: TransactionType) -> DomainError:
    """What is to be paid is no charge."""
    return invalid_field(
        "application.charge_event_nos",
        f"transaction {event_no} is of type {kind.code} ({kind.name}), which is no charge",
        "SOURCE_MISMATCH",
    )


def reversals_exceed_invoice(invoice_no: int, open_amount: Money, amount: Money) -> DomainError:
    """What is reversed and what is written off of an invoice are together at most its net charge."""
    return _beyond_write_offs("REVERSAL_EXCEEDS_CHARGE", "reversals", invoice_no, open_amount, amount)


def memo_exceeds_invoice(invoice_no: int, open_amount: Money, amount: Money) -> DomainError:
    """What is credited and what is written off of an invoice are together at most its net charge."""
    return _beyond_write_offs("MEMO_EXCEEDS_CHARGE", "a credit memo", invoice_no, open_amount, amount)


def _beyond_write_offs(
    reason: str, what: str, invoice_no: int, open_amount: Money, amount: Money
) -> DomainError:
    return _precondition(
        reason,
        f"{what} of {amount} would be more than the {open_amount} that is open of invoice {invoice_no}, a"
        " part of which is written off or held: void the write-off or settle the dispute first",
        f"invoice/{invoice_no}",
        invoice_no=invoice_no,
        open=open_amount.minor_units,
    )


def memo_exceeds_charge(event_no: int, left: Money, amount: Money) -> DomainError:
    """A line of a credit memo is at most what is left of its charge (rule 21)."""
    return _precondition(
        "MEMO_EXCEEDS_CHARGE",
        f"a credit memo line of {amount} is more than the {left} that is left of charge {event_no}",
        f"transaction/{event_no}",
        charge_event_no=event_no,
        left=left.minor_units,
    )


def memo_of_no_invoice(event_no: int, kind: TransactionType) -> DomainError:
    """A credit memo is against charge lines of an invoice (rule 21)."""
    return _precondition(
        "MEMO_EXCEEDS_CHARGE",
        f"transaction {event_no} is of type {kind.code} ({kind.name}), which is no charge line of an invoice",
        f"transaction/{event_no}",
        charge_event_no=event_no,
    )


def write_off_exceeds_invoice(invoice_no: int, open_amount: Money, amount: Money) -> DomainError:
    """A write-off is at most what is open of its invoice (rule 15)."""
    return _precondition(
        "WRITE_OFF_EXCEEDS_INVOICE",
        f"a write-off of {amount} is more than the {open_amount} that is open of invoice {invoice_no}",
        f"invoice/{invoice_no}",
        invoice_no=invoice_no,
        open=open_amount.minor_units,
    )


def nothing_to_write_off(invoice_no: int) -> DomainError:
    """Nothing is open of the invoice (rule 15)."""
    return _precondition(
        "WRITE_OFF_EXCEEDS_INVOICE",
        f"nothing is open of invoice {invoice_no}",
        f"invoice/{invoice_no}",
        invoice_no=invoice_no,
    )


def transfer_exceeds_balance(acct_no: int, balance: Money) -> DomainError:
    """The source has nothing to move, or less than the amount (rule 16)."""
    return _precondition(
        "TRANSFER_EXCEEDS_BALANCE",
        f"only a balance above zero can be moved, and no more than it: account {acct_no} has {balance}",
        f"account/{acct_no}",
        acct_no=acct_no,
        balance=balance.minor_units,
    )


def statement_period_closed(
    acct_no: int, period_end: date, statement_no: int, closed_until: date
) -> DomainError:
    """A statement can't end within a period that is closed (rule 6)."""
    return _precondition(
        "STATEMENT_PERIOD_CLOSED",
        f"account {acct_no} is closed until {closed_until} by statement {statement_no}: a statement can't end"
        f" on {period_end}",
        f"account/{acct_no}",
        acct_no=acct_no,
        statement_no=statement_no,
        closed_until=closed_until.isoformat(),
    )


def too_many_plan_instances(acct_no: int, most: int) -> DomainError:
    """An account with its plan instances is one answer."""
    return _precondition(
        "TOO_MANY_PLAN_INSTANCES",
        f"account {acct_no} has {most} plan instances, and no account may have more: open another",
        f"account/{acct_no}",
        acct_no=acct_no,
        most_plan_instances=most,
    )


def external_id_taken(external_id: str, acct_no: int) -> DomainError:
    """The identifier is another account's."""
    return _precondition(
        "EXTERNAL_ID_TAKEN",
        f"the client has an account with the external_id {external_id!r} already",
        f"account/{acct_no}" if acct_no else "account",
        ErrorKind.ALREADY_EXISTS,
        acct_no=acct_no,
    )


def amount_out_of_range(acct_no: int) -> DomainError:
    """The balance would leave the range of 64 bits."""
    return DomainError(
        ErrorKind.OUT_OF_RANGE,
        SharedReason.AMOUNT_OUT_OF_RANGE,
        f"the balance of account {acct_no} would not fit in 64 bits",
        metadata={"acct_no": str(acct_no)},
    )


def sum_out_of_range(currency: str) -> DomainError:
    """What is asked for comes to more than 64 bits."""
    return DomainError(
        ErrorKind.OUT_OF_RANGE,
        SharedReason.AMOUNT_OUT_OF_RANGE,
        f"a sum in {currency} does not fit in 64 bits of minor units: ask for a shorter period, or for the"
        " transactions themselves",
        metadata={"currency_code": currency},
    )


# ------------------------------------------------------------------------------------------------- the call


def request_id_reused(request_id: str) -> DomainError:
    """The key was used before, with another request."""
    return DomainError(
        ErrorKind.INVALID_ARGUMENT,
        "REQUEST_ID_REUSED",
        f"the request_id {request_id!r} was used before with another request: give every request its own",
        metadata={"request_id": request_id},
        field_violations=(
            FieldViolation("request_id", "was used before with another request", "REQUEST_ID_REUSED"),
        ),
    )


def overloaded(waiting: int, retry_after: timedelta) -> DomainError:
    """More is waiting than the ledger takes on."""
    return DomainError(
        ErrorKind.RESOURCE_EXHAUSTED,
        "OVERLOADED",
        f"{waiting} drafts are waiting already: send the same request again later",
        retry_after=retry_after,
    )


def cursor_invalid(why: str) -> DomainError:
    """The cursor of a watch is none that was given out for these books."""
    return invalid_field("cursor", f"the cursor does not fit: {why}", "CURSOR_INVALID")


def too_many_watches(who: str, limit: int, retry_after: timedelta) -> DomainError:
    """No further watch is taken on."""
    return DomainError(
        ErrorKind.RESOURCE_EXHAUSTED,
        "TOO_MANY_WATCHES",
        f"{who} {limit} watches of transactions already: end one, or try another server",
        metadata={"limit": str(limit)},
        retry_after=retry_after,
    )


def recording_under_way() -> DomainError:
    """What belongs to the range may still be committed."""
    return DomainError(
        ErrorKind.ABORTED,
        SharedReason.CONCURRENT_CHANGE,
        "a transaction of the database that began before this call is still open, and may have recorded"
        " something on the days asked for: send the same request again later",
        retry_after=timedelta(seconds=5),
    )


# ------------------------------------------------------------------------------------ the chart of accounts


def gl_account_not_found(code: str) -> DomainError:
    """The chart has no such account."""
    return DomainError(
        ErrorKind.NOT_FOUND,
        "GL_ACCOUNT_NOT_FOUND",
        f"the client's chart has no account {code}: create it first",
        metadata={"gl_account": code},
    )


def gl_account_exists(code: str) -> DomainError:
    """The chart has the account already."""
    return DomainError(
        ErrorKind.ALREADY_EXISTS,
        "GL_ACCOUNT_EXISTS",
        f"the client's chart has an account {code} already",
        metadata={"gl_account": code},
    )


def gl_account_not_allowed(code: str) -> DomainError:
    """Accounts receivable is the other side of every transaction."""
    return invalid_field(
        "gl_account",
        f"{code} is accounts receivable, the other side of every transaction: name another account",
        "GL_ACCOUNT_NOT_ALLOWED",
    )
