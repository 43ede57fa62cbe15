"""What every service needs and no service owns: server, errors, auth, database, outbox, money, clock."""
