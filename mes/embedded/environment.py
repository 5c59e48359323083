"""Every variable that Lamina reads, with its type and limits. A wrong value stops the start and is named."""

from pathlib import Path
from typing import Annotated, Any, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mes.embedded.keyfiles import read_or_create
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
    dicom_port: int = Field(default=0, ge=0, le=65535)
    dicom_host: str = Field(default="127.0.0.1", pattern=r"^[0-9A-Fa-f.:]+$")
    dicom_title: str = Field(default="LAMINA", pattern=r"^[A-Za-z0-9_-]{1,16}$")
    dicom_associations: int = Field(default=8, ge=1, le=100)
    note: str = Field(default="", max_length=120)
    signing_idle_minutes: int = Field(default=10, ge=1, le=15)
    login_opens_series: bool = False
    markets: Annotated[list[str], NoDecode] = Field(default_factory=lambda: ["EU", "US"])
    fda_letter: Literal["required", "warn"] = "required"
    clock: Literal["required", "measured"] = "measured"
    role_review_days: int = Field(default=92, ge=1, le=366)
    role_review_grace: int = Field(default=14, ge=0, le=92)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    address: str = Field(default="http://localhost:8000", pattern=r"^https?://[^\s]+$")
    idle_minutes: int = Field(default=10, ge=1, le=15)
    password_days: Literal[0, 90, 180, 365] = 365
    oidc_issuer: str = Field(default="", pattern=r"^(|https://.+|http://(127\.0\.0\.1|localhost)(:\d+)?.*)$")
    oidc_client_id: str = ""
    oidc_name: str = Field(default="the identity provider", max_length=60)
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_tls: bool = True
    smtp_user: str = ""
    mail_from: str = "lamina@localhost"
    broker_url: str = Field(
        default="", validation_alias="BROKER_URL", pattern=r"^(|(redis|rediss|unix)://.+)$"
    )

    @field_validator("hosts", "origins", "markets", mode="before")
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


def identity_provider(environment: Environment, keys: Path) -> list[dict[str, Any]]:
    """The one identity provider, as django-allauth wants it; none where no issuer is named.

    Raises ImproperlyConfigured where the client's secret is not in `keys/oidc_client_secret`.
    """
    if not environment.oidc_issuer:
        return []
    secret = keys / "oidc_client_secret"
    if not secret.exists() or not environment.oidc_client_id:
        raise ImproperlyConfigured(
            f"LAMINA_OIDC_ISSUER is set: set LAMINA_OIDC_CLIENT_ID, and put the client's secret into {secret} (mode 0600)."
        )
    return [
        {
            "provider_id": "sso",
            "name": environment.oidc_name,
            "client_id": environment.oidc_client_id,
            "secret": read_or_create(secret),
            "settings": {
                "server_url": environment.oidc_issuer,
                "oauth_pkce_enabled": True,
                "fetch_userinfo": False,
                "scope": ["openid"],
            },
        }
    ]


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name == "BROKER_URL" else f"LAMINA_{name.upper()}"
