"""Business dates are the client's own: the day that it is where the client lives, on any clock."""

from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service.store_plans import find_profile
from service_kit.clock import Clock


class BusinessDates:
    """Today, for each client."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def today(self, connection: AsyncConnection, client_no: int) -> date:
        """The day that it is now in the client's time zone; UTC for a client that never set one."""
        profile = await find_profile(connection, client_no)
        return self._clock.business_date(ZoneInfo(profile.time_zone))
