"""The batch service: schedules, sessions and per-record outcomes of the nightly processes."""
