"""The real ledger answers as the model does, call by call, and its books are the model's.

Reproduce a failure with the seed that it names: TALLYBOOK_MODEL_SEED=7 make test ARGS=tests/model
For a longer search: TALLYBOOK_MODEL_EXAMPLES=1000, with any seed. TALLYBOOK_MODEL_SHRINK=1 looks, for
minutes, for the shortest story that fails as well.
"""

import asyncio
import os
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from tests.model.conftest import RealLedger
from tests.model.coverage import Seen
from tests.model.machine import LedgerBesideModel

SEED: Final = int(os.environ.get("TALLYBOOK_MODEL_SEED", "1"))
EXAMPLES: Final = int(os.environ.get("TALLYBOOK_MODEL_EXAMPLES", "12"))
SHRINK: Final = bool(os.environ.get("TALLYBOOK_MODEL_SHRINK"))
STEPS: Final = 40
# The same seed does not always mean the same examples: Hypothesis also draws constants that it finds in the
# modules that happen to be loaded. So a run that has not come across everything goes on with the next seeds.
ROUNDS: Final = 8
EXAMPLES_MORE: Final = 4
SECONDS_AN_EXAMPLE: Final = 15


@pytest.mark.timeout((EXAMPLES + ROUNDS * EXAMPLES_MORE) * SECONDS_AN_EXAMPLE + 600 * SHRINK)
async def test_the_ledger_and_its_model_agree_on_every_answer_and_all_books(real_ledger: RealLedger) -> None:
    seen = Seen()
    for round_seed in range(SEED, SEED + ROUNDS):
        examples = EXAMPLES if round_seed == SEED else EXAMPLES_MORE
        print(f"TALLYBOOK_MODEL_SEED={round_seed} TALLYBOOK_MODEL_EXAMPLES={examples}")  # noqa: T201
        await asyncio.to_thread(_run, real_ledger, round_seed, examples, seen)
        missing = seen.missing()
        if not missing:
            break
        print(f"not seen yet: {sorted(missing)}")  # noqa: T201
    print(seen)  # noqa: T201
    # A run that tests nothing would prove nothing.
    assert not seen.missing()


def _run(real_ledger: RealLedger, round_seed: int, examples: int, seen: Seen) -> None:
    with real_ledger.channels() as channels:

        @seed(round_seed)
        class Machine(LedgerBesideModel):
            real = real_ledger
            steered = not SHRINK

        Machine.channels, Machine.seen, Machine.failures = channels, seen, []
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=STEPS,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate, *([Phase.shrink] if SHRINK else [])],
                    suppress_health_check=list(HealthCheck),
                    print_blob=False,
                ),
            )
        except Flaky as flaky:
            raise Machine.failures[0] from flaky
