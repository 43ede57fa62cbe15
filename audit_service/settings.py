"""The settings of the audit service."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from service_kit.settings import ServiceSettings


class AuditSettings(ServiceSettings):
    """Read from TALLYBOOK_AUDIT_..."""

    model_config = SettingsConfigDict(env_prefix="TALLYBOOK_AUDIT_")

    port: Annotated[int, Field(ge=0, le=65535)] = 50053
