"""What every service needs and no service owns: server, errors, auth, database, outbox, money, clock.

Whoever serves or calls imports this package before gRPC, which reads the environment as it is imported: so
our processes poll as ADR 35 says, unless their environment says something else.
"""

import os

os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
