"""InvoiceService: creates, voids and reads invoices."""

from tallybook.ledger.v1 import invoice_pb2_grpc


class InvoiceServicer(invoice_pb2_grpc.InvoiceServiceServicer):
    """Creates, voids and reads invoices."""
