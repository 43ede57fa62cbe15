"""The contracts, read once."""

from pathlib import Path

import pytest

from tests.reference.contracts import Contracts, read_contracts


@pytest.fixture(scope="session")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Contracts:
    """All of them."""
    directory: Path = tmp_path_factory.mktemp("contracts")
    return read_contracts(directory)
