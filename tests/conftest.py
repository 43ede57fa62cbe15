"""What every test may ask for."""

# A module comes after those that it imports, so that pytest can rewrite the assertions of all of them.
pytest_plugins = ["tests.support.servers", "tests.support.databases", "tests.support.launches"]
