"""The migrations make exactly the tables that the code has, up and down again."""

from alembic import command

from server.cli import schema


def test_migrations_make_the_tables_that_the_code_has(database_url: str) -> None:
    # Raises when autogenerate would have anything to write.
    command.check(schema.configuration(database_url))


def test_migrations_go_down_to_nothing_and_up_again(empty_database_url: str) -> None:
    for _ in range(2):
        schema.up(empty_database_url)
        assert schema.versions(empty_database_url).agree
        schema.down(empty_database_url, "base")
    assert schema.versions(empty_database_url).database is None
