"""Rules and translations, without a database and without a server."""
