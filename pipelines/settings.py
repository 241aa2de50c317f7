"""Settings: the process environment, then `.env`, then `.dlt/secrets.toml` (keys only).

Paths of everything clipmart writes are derived here and nowhere else.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import overload
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pipelines.service import SERVICES, Service
from sources.shared.errors import FixConfiguration
from sources.shared.redaction import without_secrets
from sources.shared.values import instant

SECRET_CHARACTERS = 16
"""A shorter webhook secret could be guessed from one signed event."""


@dataclass(frozen=True)
class Address:
    """A database's address; its text leaves out user and password."""

    url: str = field(repr=False)
    variable: str
    """The variable that it was read from."""

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"postgresql://{parts.hostname or ''}{port}{parts.path}"

    @property
    def user(self) -> str | None:
        """From the address or its option `user`."""
        return unquote(urlsplit(self.url).username or "") or self.options.get("user")

    @property
    def password(self) -> str | None:
        """From the address or its option `password`."""
        return unquote(urlsplit(self.url).password or "") or self.options.get("password")

    @property
    def options(self) -> dict[str, str]:
        """The parameters after the question mark, such as sslmode."""
        return dict(parse_qsl(urlsplit(self.url).query))


@dataclass(frozen=True)
class Lake:
    """A DuckLake that machines share: its catalog in PostgreSQL, its files in a folder or on S3."""

    catalog: Address
    files: str
    """An absolute folder, or s3://bucket/prefix."""
    reader: Address | None = None
    """The same catalog as a role that may only SELECT; None: readers use `catalog`."""
    s3_key_id: str | None = None
    s3_secret: str | None = field(default=None, repr=False)
    s3_session_token: str | None = field(default=None, repr=False)
    s3_region: str = "us-east-1"
    s3_endpoint: str | None = None

    @property
    def on_s3(self) -> bool:
        """Whether the files are on S3, not in a folder."""
        return self.files.startswith("s3://")


@dataclass(frozen=True)
class Cluster:
    """A cluster that builds the models of a lake; its text leaves out what follows the host."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"sc://{urlsplit(self.url).netloc}"

    def redacted(self, message: str) -> str:
        """A message without the address' parameters, of which one may be a token."""
        for part in urlsplit(self.url).path.lstrip("/;").split(";"):
            value = part.partition("=")[2]
            message = message.replace(value, "…") if len(value) > len("false") else message
        return message


@dataclass(frozen=True)
class Account:
    """How a service's API is reached: the key, and addresses other than the usual ones."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    """None: the vendor's own."""
    account_path: str | None = None
    """The path of the account; None: the usual one."""


@dataclass(frozen=True)
class Limits:
    """Where a line of `status` warns, and where it fails: what each operator decides."""

    # An hourly sync that missed two warns, a daily one that missed one fails.
    sync_hours: tuple[float, float] = (3.0, 26.0)
    """More hours than these since a service's last sync."""
    credit_days: tuple[float, float] = (7.0, 1.0)
    """Credits for fewer days than these."""
    free_mib: tuple[float, float] = (1024.0, 100.0)
    """Less than this free on the data folder's disk."""


@dataclass(frozen=True)
class Settings:
    """Everything that a run can be configured with. `repr` leaves out the keys."""

    data_dir: Path
    accounts: Mapping[str, Account] = field(default_factory=dict)
    """By the service's name."""
    klipit_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    clipus_webhook_token: str | None = field(default=None, repr=False)
    mcp_token: str | None = field(default=None, repr=False)
    """What clients of `clipmart mcp --http` must send; None: nothing."""
    minute_seconds: float = 60.0
    pinned_now: datetime | None = None
    query_seconds: float = 300.0
    """How long a statement of `clipmart query` may run; 0: without a limit."""
    query_memory_bytes: int = 2_000_000_000
    """Memory that it may use; more than that is spilled to disk, if possible."""
    ledger_database: Address | None = None
    """The database of a ledger that machines share; None: it is the file `ledger`."""
    max_columns: int | None = None
    """Most undocumented columns of a landing table, if not the sources' own limit."""
    keep_published: int = 3
    """How many earlier published files are saved."""
    limits: Limits = Limits()
    metrics: Path | None = None
    """The file in which each sync leaves its numbers for Prometheus."""
    lake: Lake | None = None
    """The lake to land and publish in; None: DuckDB files in the data folder."""
    cluster: Cluster | None = None
    """What builds the models of a lake; None: DuckDB on this machine."""

    def now(self) -> datetime:
        """The current instant (UTC): it decides what is due and stamps what is recorded."""
        return self.pinned_now or datetime.now(UTC)

    @property
    def short_webhook_secret(self) -> bool:
        """Whether a webhook secret is so short that it could be guessed."""
        return any(len(secret) < SECRET_CHARACTERS for secret in self.klipit_webhook_secrets)

    def foreign_host(self, service: str) -> str | None:
        """The host that gets a service's key, if it is not the vendor's own."""
        host = urlsplit(self.base_url(service)).netloc
        return host if host != urlsplit(SERVICES[service].base_url).netloc else None

    def api_key(self, service: str) -> str | None:
        """A service's key; None if it is not set."""
        return self._account(service).api_key

    def base_url(self, service: str) -> str:
        """Where a service's API is, the vendor's address unless another is set."""
        return self._account(service).base_url or SERVICES[service].base_url

    def account_path(self, service: str) -> str | None:
        """The path of a service's account; None if every answer reports the account."""
        return self._account(service).account_path or SERVICES[service].account_path

    @property
    def secrets(self) -> dict[str, str | None]:
        """Every secret of the services, by the variable that holds it."""
        return {
            **{SERVICES[name].key_variable: self.api_key(name) for name in SERVICES},
            "KLIPIT_WEBHOOK_SECRET": ",".join(self.klipit_webhook_secrets) or None,
            "CLIPUS_WEBHOOK_TOKEN": self.clipus_webhook_token,
        }

    def without_secrets(self, text: str) -> str:
        """A text that may repeat what was sent, with every secret replaced."""
        keys = [self.api_key(name) for name in SERVICES]
        secrets = (*keys, self.clipus_webhook_token, *self.klipit_webhook_secrets)
        return without_secrets(text, secrets)

    def _account(self, service: str) -> Account:
        return self.accounts.get(service, Account())

    @property
    def warehouse(self) -> Path:
        """The published file: the only one that readers open."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def published(self) -> str:
        """Where the published data is, for messages."""
        return f"in the lake at {self.lake.catalog}" if self.lake else str(self.warehouse)

    @property
    def state_dir(self) -> Path:
        """Everything but the published file and what is written for people."""
        return self.data_dir / "state"

    @property
    def landing(self) -> Path:
        """The landing store."""
        return self.state_dir / "landing.duckdb"

    @property
    def ledger(self) -> Path:
        """The ledger, unless machines share one."""
        return self.state_dir / "ledger.sqlite"

    @property
    def dlt_dir(self) -> Path:
        """dlt's working folder."""
        # dlt's state for one destination is wrong for another.
        return self.state_dir / ("dlt-lake" if self.lake else "dlt")

    @property
    def lock(self) -> Path:
        """The lock of a sync, held by one process at a time."""
        return self.state_dir / "lock"

    @property
    def receiver(self) -> Path:
        """Lock and facts of the webhook receiver; it exists while one should be listening."""
        return self.state_dir / "receiver"

    @property
    def build_dir(self) -> Path:
        """Files that a build is writing."""
        return self.state_dir / "build"

    @property
    def saved_dir(self) -> Path:
        """Earlier published files."""
        return self.state_dir / "published"


def load_settings(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        FixConfiguration: a value that cannot be used; the message names the variable.
    """
    folder = folder or Path.cwd()
    environ = os.environ if environ is None else environ
    filed = {**_secrets_toml(folder / ".dlt" / "secrets.toml"), **_dotenv(folder / ".env")}
    _refuse_foreign_addresses(filed, environ)
    values = {**filed, **environ}

    def text(name: str) -> str | None:
        return values.get(name, "").strip() or None

    if text("CLIPMART_LOG") not in (None, "text", "json"):
        raise FixConfiguration(
            "CLIPMART_LOG can only be text (the default) or json. Nothing was done."
        )
    lake = _lake(text)
    return Settings(
        data_dir=Path(text("CLIPMART_DATA_DIR") or "data").absolute(),
        accounts={name: _account(service, text) for name, service in SERVICES.items()},
        klipit_webhook_secrets=tuple(
            secret
            for part in (text("KLIPIT_WEBHOOK_SECRET") or "").split(",")
            if (secret := part.strip())
        ),
        clipus_webhook_token=text("CLIPUS_WEBHOOK_TOKEN"),
        mcp_token=_header_safe("CLIPMART_MCP_TOKEN", text("CLIPMART_MCP_TOKEN")),
        minute_seconds=_seconds("CLIPMART_MINUTE_SECONDS", text("CLIPMART_MINUTE_SECONDS")),
        pinned_now=_instant("CLIPMART_NOW", text("CLIPMART_NOW")),
        max_columns=_count("CLIPMART_MAX_COLUMNS", text("CLIPMART_MAX_COLUMNS")),
        keep_published=_count("CLIPMART_KEEP_PUBLISHED", text("CLIPMART_KEEP_PUBLISHED") or "3"),
        query_seconds=_seconds("CLIPMART_QUERY_SECONDS", text("CLIPMART_QUERY_SECONDS"), 300.0),
        query_memory_bytes=_bytes("CLIPMART_QUERY_MEMORY", text("CLIPMART_QUERY_MEMORY")),
        metrics=_metrics(text("CLIPMART_METRICS")),
        limits=Limits(
            _pair("CLIPMART_SYNC_HOURS", text("CLIPMART_SYNC_HOURS"), Limits.sync_hours),
            _pair("CLIPMART_CREDIT_DAYS", text("CLIPMART_CREDIT_DAYS"), Limits.credit_days),
            _pair("CLIPMART_FREE_MIB", text("CLIPMART_FREE_MIB"), Limits.free_mib),
        ),
        # A lake is shared, so its machines share a ledger too.
        ledger_database=_database("CLIPMART_LEDGER", text("CLIPMART_LEDGER"))
        or (lake.catalog if lake else None),
        lake=lake,
        cluster=_cluster(text("CLIPMART_ENGINE"), lake),
    )


def web_address(url: str) -> SplitResult | None:
    """The parts of an http or https address with a host; None if it is not one."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError if it is not a port
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def is_loopback(url: str) -> bool:
    """Whether an address names this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def notify_address() -> str | None:
    """CLIPMART_NOTIFY, which also works if another setting cannot be used."""
    return _alone("CLIPMART_NOTIFY")


def ping_address() -> str | None:
    """CLIPMART_PING, likewise."""
    return _alone("CLIPMART_PING")


def log_format() -> str:
    """CLIPMART_LOG, likewise: text or json. `load_settings` refuses anything else."""
    try:
        return _alone("CLIPMART_LOG") or "text"
    except FixConfiguration:  # of `.env`: each command that reads it says so
        return "text"


def _alone(name: str) -> str | None:
    """A variable of the environment or `.env`, whatever else is set there."""
    filed = {} if name in os.environ else _dotenv(Path.cwd() / ".env")
    return {**filed, **os.environ}.get(name, "").strip() or None


def _dotenv(path: Path) -> dict[str, str]:
    """`NAME=value` lines as python-dotenv reads them; `$NAME` in a value stays as it is."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise FixConfiguration(
            f"{path} cannot be read ({type(error).__name__}). Nothing was done. "
            "Make it readable UTF-8 text, or remove it and set the variables themselves."
        ) from error
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise FixConfiguration(
                f"{path}, line {binding.original.line}: this is not NAME=value, or a quote is not "
                "closed. Nothing was done. Correct the line, or put # before it."
            )
        if binding.key and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _refuse_foreign_addresses(filed: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Refuse to send a key of the environment to an address in a folder's `.env`.

    The folder may come from someone else.
    """
    for service in SERVICES.values():
        url, key = service.address_variable, service.key_variable
        if filed.get(url, "").strip() and url not in environ and environ.get(key, "").strip():
            raise FixConfiguration(
                f"{url} is set by .env in this folder and {key} by the environment, so the key "
                f"was not sent there. Nothing was done. If you trust that address, set {url} in "
                f"the environment too, or write {key} into .env and unset it in the environment."
            )


def _secrets_toml(path: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FixConfiguration(
            f"{path} cannot be read ({type(error).__name__}). Nothing was done. "
            f"Correct it, or set {' and '.join(s.key_variable for s in SERVICES.values())} instead."
        ) from error
    sources = document.get("sources", {})
    values = {}
    for name, service in SERVICES.items():
        section = sources.get(name, {}) if isinstance(sources, dict) else {}
        key = section.get("api_key") if isinstance(section, dict) else None
        if isinstance(key, str):
            values[service.key_variable] = key
    return values


def _account(service: Service, text: Callable[[str], str | None]) -> Account:
    url, path = text(service.address_variable), text(service.account_variable)
    return Account(
        _header_safe(service.key_variable, text(service.key_variable)),
        url and _url(service.address_variable, url),
        path and "/" + path.lstrip("/"),
    )


def _header_safe(name: str, key: str | None) -> str | None:
    if key is not None and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise FixConfiguration(
            f"{name} holds a character that no key has (a space, a line break or a letter outside "
            f"ASCII). Nothing was sent. Copy the key again and set {name}."
        )
    return key


def _url(name: str, value: str) -> str:
    parts = web_address(value)
    if parts is None or parts.query or "@" in value:
        raise FixConfiguration(
            f"{name} is not a usable address; it should look like https://host/path. "
            f"Nothing was sent. Correct or unset {name}."
        )
    if parts.scheme == "http" and not is_loopback(value):
        raise FixConfiguration(
            f"{name} is plain http to another machine, so others could read the key on its way. "
            f"Nothing was sent. Give an https address, or unset {name}."
        )
    return value.rstrip("/")


def _lake(text: Callable[[str], str | None]) -> Lake | None:
    """The lake, if CLIPMART_DESTINATION is ducklake."""
    destination = text("CLIPMART_DESTINATION") or "duckdb"
    if destination not in ("duckdb", "ducklake"):
        raise FixConfiguration(
            f"CLIPMART_DESTINATION is '{destination[:40]}', but can only be duckdb (the default) "
            "or ducklake. Nothing was done."
        )
    if destination == "duckdb":
        return None
    reader = _database("CLIPMART_LAKE_READER", text("CLIPMART_LAKE_READER"))
    # A machine that only reads may have the reader's address alone.
    catalog = _database("CLIPMART_LAKE_CATALOG", text("CLIPMART_LAKE_CATALOG")) or reader
    files = (text("CLIPMART_LAKE_FILES") or "").rstrip("/")
    on_s3 = files.startswith("s3://")
    keys = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"))
    is_missing = {
        "CLIPMART_LAKE_CATALOG (postgresql://user:password@host/database)": catalog is None,
        "CLIPMART_LAKE_FILES (s3://bucket/prefix, or a folder that all machines share)": not files,
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY": on_s3 and not all(keys),
    }
    missing = [name for name, absent in is_missing.items() if absent]
    if missing or catalog is None:
        raise FixConfiguration(
            f"CLIPMART_DESTINATION=ducklake needs {', and '.join(missing)}. Nothing was done. "
            "docs/lake.md shows a complete example."
        )
    if "'" in files:
        raise FixConfiguration(
            "CLIPMART_LAKE_FILES contains a quote. Nothing was done. Name a folder without one."
        )
    return Lake(
        catalog,
        files if on_s3 else str(Path(files).absolute()),
        reader,
        *keys,
        text("AWS_SESSION_TOKEN"),
        text("AWS_REGION") or text("AWS_DEFAULT_REGION") or "us-east-1",
        text("AWS_ENDPOINT_URL_S3") or text("AWS_ENDPOINT_URL"),
    )


def _cluster(engine: str | None, lake: Lake | None) -> Cluster | None:
    """The cluster, if CLIPMART_ENGINE is its address."""
    if engine in (None, "duckdb"):
        return None
    try:
        parts = urlsplit(engine)
        parts.port  # noqa: B018 - raises ValueError if it is not a port
        usable = parts.scheme == "sc" and parts.hostname and "@" not in engine
    except ValueError:
        usable = False
    if not usable:
        raise FixConfiguration(
            "CLIPMART_ENGINE can only be duckdb (the default) or the address of a cluster that "
            "answers to Spark Connect, such as sc://host:15002. Nothing was done."
        )
    if lake is None:
        raise FixConfiguration(
            "CLIPMART_ENGINE needs a lake, whose files the cluster can read and write. Nothing was "
            "done. Set CLIPMART_DESTINATION=ducklake as docs/lake.md shows, or unset it."
        )
    return Cluster(engine)


def _database(name: str, value: str | None) -> Address | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises ValueError if it is not a port
        usable = parts.scheme in ("postgresql", "postgres") and len(parts.path) > 1
    except ValueError:
        usable = False
    # With a second @, or one after the host, part of the password would be taken for the host.
    usable = usable and value.count("@") == parts.netloc.count("@") <= 1
    if not usable:
        raise FixConfiguration(
            f"{name} should look like postgresql://user:password@host/database; in a user or "
            "password write @ as %40, / as %2F, : as %3A, # as %23 and ? as %3F. Nothing was done. "
            f"Fix {name}, or unset it."
        )
    return Address("postgresql" + value[value.index(":") :], name)


def _seconds(name: str, value: str | None, default: float = 60.0) -> float:
    try:
        seconds = default if value is None else float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise FixConfiguration(
            f"{name} should be a number of seconds, 0 to 86400. Unset it for {default:g}."
        )
    return seconds


@overload
def _count(name: str, value: str) -> int: ...


@overload
def _count(name: str, value: str | None) -> int | None: ...


def _count(name: str, value: str | None) -> int | None:
    if value is not None and not re.fullmatch(r"[0-9]{1,4}", value):
        raise FixConfiguration(
            f"{name} should be a whole number, 0 to 9999. Nothing was done. Correct or unset it."
        )
    return None if value is None else int(value)


def _bytes(name: str, value: str | None) -> int:
    match = re.fullmatch(r"(\d{1,5}(?:\.\d+)?) ?([MG])B", value or "2 GB", re.I)
    count = int(float(match[1]) * {"M": 10**6, "G": 10**9}[match[2].upper()]) if match else 0
    if not 100 * 10**6 <= count <= 10**14:
        raise FixConfiguration(
            f"{name} should be 100 MB or more, such as 500 MB or 8 GB. Unset it for 2 GB."
        )
    return count


def _metrics(value: str | None) -> Path | None:
    if value is not None and not value.endswith(".prom"):
        raise FixConfiguration(
            "CLIPMART_METRICS should be a file whose name ends in .prom, such as "
            "data/metrics.prom: Prometheus' node_exporter reads no other. Nothing was done."
        )
    return None if value is None else Path(value).absolute()


def _pair(name: str, value: str | None, default: tuple[float, float]) -> tuple[float, float]:
    """Two numbers, where to warn and where to fail, in the default's order."""
    if value is None:
        return default
    numbers = [float(part) for part in value.split(",") if re.fullmatch(r" *\d+(\.\d+)? *", part)]
    descending = default[0] > default[1]
    if len(numbers) != 2 or value.count(",") != 1 or numbers != sorted(numbers, reverse=descending):
        example = ",".join(f"{number:g}" for number in default)
        raise FixConfiguration(
            f"{name} should be two numbers, the first to warn and the "
            f"{'lower' if descending else 'higher'} one to fail. Unset it for {example}."
        )
    return numbers[0], numbers[1]


def _instant(name: str, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        return instant(value)
    except ValueError as error:
        raise FixConfiguration(
            f"{name} should be an instant such as 2026-04-08T12:00:00Z. Unset it to use the clock."
        ) from error
