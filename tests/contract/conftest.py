"""Tokens, and silence."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.contract.served import Tokens


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """Signs tokens."""
    return Tokens(tmp_path)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No line for each of some thousand calls, but what is a fault of ours is told."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()
