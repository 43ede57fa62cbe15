"""What every test may ask for."""

import signal

# A module comes after those that it imports, so that pytest can rewrite the assertions of all of them.
pytest_plugins = ["tests.support.servers", "tests.support.databases", "tests.support.launches"]

# Who runs the tests in the background of a shell has Ctrl-C ignored, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
