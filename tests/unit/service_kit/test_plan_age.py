"""When the plans of a connection are to be forgotten."""

from service_kit.plan_age import PlanAge


def test_they_are_forgotten_as_the_connection_ages_and_then_once_a_minute() -> None:
    now = 0.0
    age = PlanAge(lambda: now)
    forgotten = []
    for second in range(1, 250):
        now = float(second)
        if age.take_due():
            forgotten.append(second)
    assert forgotten == [1, 3, 7, 15, 31, 63, 123, 183, 243]
