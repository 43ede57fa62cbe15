"""Why a server can't start."""


class StartError(Exception):
    """The server can't start; one line for each reason, and the exit status."""

    def __init__(self, exit_status: int, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.exit_status = exit_status
        self.reasons = reasons
