"""Every variable that Lamina reads, with its type and limits. A wrong value stops the start and is named."""

from pathlib import Path
from typing import Annotated, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mes.embedded.roles import Role

BASE_DIR = Path(__file__).resolve().parent.parent.parent


class Environment(BaseSettings):
    """`LAMINA_<NAME>`, and `BROKER_URL`. The database addresses, one per role, are read by `mes.embedded.roles`."""

    model_config = SettingsConfigDict(env_prefix="LAMINA_", frozen=True, hide_input_in_errors=True)

    var: Path = BASE_DIR / "var"
    debug: bool = False
    role: Role = Role.APP
    hosts: Annotated[list[str], NoDecode] = Field(default_factory=lambda: ["127.0.0.1", "localhost", "[::1]"])
    origins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    https: bool = False
    web: bool = False
    web_connections: int = Field(default=8, ge=1, le=64)
    worker_concurrency: int = Field(default=2, ge=1, le=64)
    max_body_mib: int = Field(default=1024, ge=1, le=16384)
    note: str = Field(default="", max_length=120)
    role_review_days: int = Field(default=92, ge=1, le=366)
    role_review_grace: int = Field(default=14, ge=0, le=92)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    broker_url: str = Field(
        default="", validation_alias="BROKER_URL", pattern=r"^(|(redis|rediss|unix)://.+)$"
    )

    @field_validator("hosts", "origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("hosts")
    @classmethod
    def _named(cls, hosts: list[str]) -> list[str]:
        if not hosts or "*" in hosts:
            raise ValueError(
                "name the hosts that the site is reached by, separated by commas; '*' is refused"
            )
        return hosts


def read_environment() -> Environment:
    """Raises ImproperlyConfigured, which names every wrong variable but shows no value: one may hold a password."""
    try:
        return Environment()
    except ValidationError as error:
        reasons = [f"{_variable(found['loc'])}: {found['msg']}" for found in error.errors()]
        raise ImproperlyConfigured("; ".join(reasons)) from None


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name == "BROKER_URL" else f"LAMINA_{name.upper()}"
