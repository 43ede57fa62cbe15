"""TransactionTypeService: serves the table of transaction types that the ledger applies."""

import grpc

from ledger_service.rules.transaction_types import TRANSACTION_TYPES, TransactionType
from tallybook.ledger.v1 import transaction_type_pb2, transaction_type_pb2_grpc


def _info(row: TransactionType) -> transaction_type_pb2.TransactionTypeInfo:
    return transaction_type_pb2.TransactionTypeInfo(
        transaction_type=transaction_type_pb2.TransactionType.ValueType(row.code),
        name=row.name,
        results_in_charge=row.is_charge,
        source_table=row.source_table,
        source_key=row.source_key,
        operation=row.operation,
        debit_gl_account=row.debit_gl_account or "",
        credit_gl_account=row.credit_gl_account or "",
    )


class TransactionTypeServicer(transaction_type_pb2_grpc.TransactionTypeServiceServicer):
    """The table is the program's own, so there is nothing to look up."""

    async def ListTransactionTypes(
        self,
        request: transaction_type_pb2.ListTransactionTypesRequest,
        context: grpc.aio.ServicerContext[
            transaction_type_pb2.ListTransactionTypesRequest,
            transaction_type_pb2.ListTransactionTypesResponse,
        ],
    ) -> transaction_type_pb2.ListTransactionTypesResponse:
        """All rows, by code, each type followed by its void."""
        rows = sorted(TRANSACTION_TYPES.values(), key=lambda row: (abs(row.code), -row.code))
        return transaction_type_pb2.ListTransactionTypesResponse(transaction_types=map(_info, rows))
