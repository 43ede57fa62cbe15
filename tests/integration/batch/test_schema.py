"""The schema that the migrations make is the one that tables.py describes."""

from service_kit import migrations
from tests.support.databases import NewDatabase


async def test_the_migrations_make_what_the_tables_describe(new_database: NewDatabase) -> None:
    database = await new_database("batch_service")
    assert await migrations.check("batch_service", database.owner_url) == []
