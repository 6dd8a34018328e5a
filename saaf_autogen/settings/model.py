"""The model of ``saaf.yaml``. Unknown keys are errors; secrets are never in it."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    field_validator,
    model_validator,
)

from saaf_autogen.settings.embeddings import EmbeddingSettings
from saaf_autogen.settings.identity import (
    Attribute,
    ClientSettings,
    GroupSettings,
    IssuerSettings,
    Name,
    OAuthSettings,
    SignInSettings,
    Tenant,
)
from saaf_autogen.settings.warehouses import WarehouseSettings

__all__ = [
    "AgentLimitSettings",
    "AtOnceSettings",
    "BudgetSettings",
    "ColumnRules",
    "DatabaseSettings",
    "DenySettings",
    "DenyTerms",
    "EgressSettings",
    "GrantLimits",
    "GrantSettings",
    "GrantTerms",
    "Hours",
    "LimitSettings",
    "LocalSettings",
    "ModelSettings",
    "PriceSettings",
    "PrincipalSettings",
    "RunSettings",
    "ServerSettings",
    "Settings",
]

Mask = Literal["redact", "null", "hash", "last4", "year"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Strict):
    """Where the host listens and by what address others know it."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    url: str | None = Field(default=None, description="public address; default http://HOST:PORT")
    trusted_proxies: list[IPvAnyNetwork] = Field(
        default=[], description="addresses or networks whose X-Forwarded-For is believed"
    )

    @property
    def public_url(self) -> str:
        """The address that tokens name as issuer and audience, without a slash at its end."""
        everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        host = "localhost" if everywhere else self.host
        return (self.url or f"http://{host}:{self.port}").rstrip("/")


class DatabaseSettings(_Strict):
    """SAAF's own store. One setting moves it, and the run engine, to PostgreSQL."""

    url: str | None = Field(
        default=None, description="SQLAlchemy URL; default is SQLite in the state folder"
    )
    url_env: str = Field(
        default="SAAF_DATABASE_URL", description="environment variable that wins over `url`"
    )


class PriceSettings(_Strict):
    """US dollars per million tokens."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)


class ModelSettings(_Strict):
    """A model that agents name. Keys come from the environment only."""

    provider: Literal["offline", "openai", "azure", "anthropic"]
    model: str | None = None
    base_url: str | None = Field(default=None, description="any OpenAI-compatible endpoint")
    api_key_env: str | None = Field(default=None, description="variable that holds the key")
    azure_deployment: str | None = None
    api_version: str | None = None
    timeout_s: float = Field(default=120, gt=0, le=3600)
    max_retries: int = Field(default=0, ge=0, le=10)
    model_info: dict[str, Any] | None = Field(
        default=None, description="capabilities of a model that AutoGen does not know"
    )
    prices: PriceSettings | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="temperature, seed, …")

    @field_validator("provider", mode="before")
    @classmethod
    def _full_name(cls, value: Any) -> Any:
        return "offline" if value == "saaf_autogen.OfflineModel" else value

    @model_validator(mode="after")
    def _complete(self) -> ModelSettings:
        if self.provider != "offline" and not self.model:
            raise ValueError("a model of this provider needs `model`")
        if self.provider == "azure" and not (self.base_url and self.azure_deployment):
            raise ValueError("an azure model needs `base_url` and `azure_deployment`")
        return self


class PrincipalSettings(_Strict):
    """A principal written by hand: the caller of in-process use, or a client's identity."""

    subject: str = Field(min_length=1, max_length=200)
    tenant: Tenant = "default"
    groups: list[Name] = []
    scopes: list[str] = []
    attributes: dict[str, Attribute] = {}


class LocalSettings(_Strict):
    """In-process use; refused where ``environment`` is production."""

    principal: PrincipalSettings


class ColumnRules(_Strict):
    """Which columns a grant shows, and which of them masked.

    ``"*"`` means the columns that the semantic layer describes; an undescribed one is invisible.
    """

    allow: Literal["*"] | list[str] = "*"
    mask: dict[str, Mask] = {}
    deny_tags: list[str] = []


class GrantLimits(_Strict):
    """Limits that a grant puts on each query.

    ``required_filters`` are lists of columns; a query must narrow what it reads by one of each.
    """

    rows: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    bytes: int | None = Field(default=None, ge=1_000)
    required_filters: list[Annotated[list[str], Field(min_length=1)]] = []


Operand = str | int | float | bool
Operator = Literal["eq", "ne", "in", "lt", "lte", "gt", "gte"]


class _To(_Strict):
    groups: list[str] = []
    users: list[str] = []
    clients: list[str] = []
    agents: list[str] = []


class Hours(_Strict):
    """A window that comes again each week, by the clock of a time zone."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = [
        "mon", "tue", "wed", "thu", "fri",
    ]  # fmt: skip
    start: time = time(0)
    end: time = Field(default=time(0), description="the same as `start`: the whole day")
    zone: str = Field(default="UTC", description="IANA name, such as Europe/Berlin")


class GrantTerms(_Strict):
    """Who may see which part of a resource. Rows are structured filters, never SQL text.

    A grant holds in its ``tenant`` alone, from ``starts_at`` until before ``expires_at``, within
    ``hours``, and for principals whose attributes meet every condition of ``when``.
    """

    to: Literal["*"] | _To
    resource: str = Field(pattern=r"^[a-z][a-z0-9]*://\S+$")
    verbs: list[Literal["select", "read", "write"]] = ["select"]
    columns: ColumnRules = ColumnRules()
    rows: dict[str, dict[Operator, Operand | list[Operand]]] = {}
    limits: GrantLimits = GrantLimits()
    approval: Literal["none", "required"] = "none"
    starts_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    hours: Hours | None = None
    when: dict[str, dict[Operator, Operand | list[Operand]]] = Field(
        default={}, description="conditions on the principal's attributes, as in `rows`"
    )


class GrantSettings(GrantTerms):
    """A grant by its id, in its tenant."""

    id: Name
    tenant: Tenant = "default"


class DenyTerms(_Strict):
    """What nobody named in ``to`` may see, whatever the grants say.

    Without ``expires_at`` it holds for good.
    """

    to: Literal["*"] | _To
    resource: str = Field(pattern=r"^[a-z][a-z0-9]*://\S+$")
    columns: list[str] | None = Field(default=None, description="absent: the whole resource")
    expires_at: AwareDatetime | None = None


class DenySettings(DenyTerms):
    """A deny rule. Without ``tenant`` it holds in every one."""

    id: Name | None = None
    tenant: Tenant | None = None


class LimitSettings(_Strict):
    """Bounds on every call."""

    body_bytes: int = Field(default=1_000_000, ge=1_000)
    result_rows: int = Field(default=200, ge=1, description="rows of a result, then cut")
    result_bytes: int = Field(default=64_000, ge=1_000, description="bytes of a result, then cut")
    action_timeout_s: float = Field(default=60, gt=0)
    calls_per_minute: int = Field(
        default=600, ge=1, description="per subject and client: calls below /v1, tools in process"
    )
    unauthenticated_per_minute: int = Field(
        default=120, ge=1, description="per address: calls below /v1 without a good token"
    )
    oauth_per_minute: int = Field(
        default=600, ge=1, description="per address: requests to /oauth, metadata and pages"
    )
    tokens_per_minute: int = Field(
        default=600, ge=1, description="per client: requests to the token endpoint"
    )


class BudgetSettings(_Strict):
    """The most that a run may use; absent: no limit.

    Tokens are those of prompts and answers together, of every model call of the run.
    """

    tokens: int | None = Field(default=None, ge=1)
    usd: float | None = Field(default=None, gt=0, description="by `prices` of the models")
    tool_calls: int | None = Field(default=None, ge=1)
    turns: int | None = Field(default=None, ge=1)


class AgentLimitSettings(BudgetSettings):
    """The most that a run of one agent may use; absent: what ``runs`` of saaf.yaml allows."""

    timeout_s: float | None = Field(
        default=None, gt=0, description="seconds at work; waiting for a human does not count"
    )


class AtOnceSettings(_Strict):
    """How many runs may execute at once, over all workers; absent: no limit."""

    agent: int | None = Field(default=None, ge=1, description="of one agent")
    tenant: int | None = Field(default=None, ge=1, description="of one tenant")
    principal: int | None = Field(default=None, ge=1, description="of one owner")


class RunSettings(_Strict):
    """How runs are executed.

    ``timeout_s``, ``max_turns`` and ``budget`` are what a run gets that asks for nothing, and the
    most that it may ask for.
    """

    concurrency: int = Field(
        default=8, ge=1, le=256, description="runs that one worker executes at once"
    )
    at_once: AtOnceSettings = AtOnceSettings()
    max_turns: int = Field(default=50, ge=1, le=10_000)
    timeout_s: float = Field(
        default=900, gt=0, description="seconds at work; waiting for a human does not count"
    )
    budget: BudgetSettings = BudgetSettings()
    lease_s: float = Field(
        default=9, ge=1, le=60, description="a worker silent for so long has lost its runs"
    )
    max_crashes: int = Field(
        default=10, ge=1, description="workers that may die in one turn before its run is given up"
    )
    input_days: float = Field(
        default=30, gt=0, description="a human's answer is awaited for so long"
    )
    keep_days: float | None = Field(
        default=None, gt=0, description="ended runs are deleted after so long; absent: kept"
    )
    release: str = Field(
        default="", max_length=64, description="of this deployment; $SAAF_RELEASE wins over it"
    )
    pinned: bool = Field(
        default=False, description="workers execute only the runs of their own release"
    )
    callback_delays_s: list[float] = Field(
        default=[0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
        description="seconds to wait before each try of a callback",
    )
    callback_timeout_s: float = Field(default=15, gt=0, le=60)


class EgressSettings(_Strict):
    """Hosts that are reachable although they are private or speak plain http."""

    allow: list[str] = []


class Settings(_Strict):
    """A deployment's ``saaf.yaml``."""

    version: Literal[1] = 1
    name: Name = "saaf"
    environment: Literal["development", "production"] = "development"
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    state: str = Field(default=".saaf", description="folder for keys, databases and secrets")
    tenants: list[Tenant] = Field(
        default=["default"], description="all that there are; others are refused"
    )
    oauth: OAuthSettings = OAuthSettings()
    sign_in: SignInSettings = SignInSettings()
    issuers: list[IssuerSettings] = []
    clients: list[ClientSettings] = []
    groups: list[GroupSettings] = []
    models: dict[Name, ModelSettings] = {}
    embeddings: EmbeddingSettings = EmbeddingSettings()
    warehouses: dict[Name, WarehouseSettings] = {}
    grants: list[GrantSettings] = []
    deny: list[DenySettings] = []
    local: LocalSettings | None = None
    limits: LimitSettings = LimitSettings()
    runs: RunSettings = RunSettings()
    egress: EgressSettings = EgressSettings()
    trusted_providers: list[str] = Field(
        default=[], description="further exact AutoGen providers that agents may name"
    )
