"""LedgerService: posts and reads transactions."""

from tallybook.ledger.v1 import ledger_pb2_grpc


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """Posts and reads transactions."""
