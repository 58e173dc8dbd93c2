"""Settings: the environment read once into one frozen value. Each variable stands here once, with
unit and default.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import msgspec

from fenghuo.schemas import addresses, hosts
from fenghuo.schemas.addresses import AddressError
from fenghuo.schemas.lane import REAL, Lane

PREFIX = "FENGHUO_"
_CAMPAIGNS = Path(__file__).resolve().parent.parent / "deploy" / "campaigns"


class SettingsError(ValueError):
    """A variable of the environment that cannot be used: says which one, what came and what was
    expected.
    """


class Settings(msgspec.Struct, frozen=True):
    """All settings of a part. A field `kafka` is read from FENGHUO_KAFKA."""

    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, host:port, comma-separated."""
    store: str = "chdb:fenghuo-data/store"
    """chdb:DIR (ClickHouse in process) or clickhouse://user@host:9000/database. A password in it is
    taken out and is `store_password` from then on.
    """
    store_password: str = ""
    """The store user's password, as it is."""
    store_password_file: str = ""
    """A file whose first line is that password."""
    campaign: str = str(_CAMPAIGNS / "double11.toml")
    """The campaign file."""
    rehearsal_start_ms: int = 0
    """Not 0: the campaign is rehearsed, its clock starts at this epoch millisecond."""
    lane: Lane = REAL
    """real, or shadow: a part serves one lane, the other's records and tables are none of its."""
    partitions: int = 4
    """Partitions of each source topic, used when fenghuo creates them."""
    replication: int = 1
    """Replicas of each topic, used when fenghuo creates them."""
    lateness_ms: int = 10_000
    """How long a second stays open after the newest event time of its partition."""
    future_ms: int = 10_000
    """How far an event time may lie after the record's own time before it is refused. Not above
    lateness_ms, so that no event of the future can close the second of now.
    """
    tick_ms: int = 250
    """How often gather publishes changed seconds and the judge grades."""
    idle_ms: int = 2_000
    """A partition without a record for this long holds nobody back."""
    session_timeout_ms: int = 6_000
    """Consumer group session: bounds the pause after a worker died. Apache Kafka accepts 6000 or
    more by default.
    """
    watchdog_ms: int = 60_000
    """A part that has work waiting and makes no progress for this long ends itself, to be
    restarted.
    """
    fetch_bytes: int = 1_048_576
    """Most bytes of one partition in one fetch."""
    http_host: str = "127.0.0.1"
    """Address the api listens on."""
    http_port: int = 8600
    """Port of the api and the page."""
    hosts: str = ""
    """Names, comma-separated, by which the api may be asked for beside addresses, `localhost`, its
    machine's name and names without a dot. Not checked on loopback while there are none.
    """
    metrics_port: int = 0
    """Port of a worker's /metrics; 0 means none."""
    viewers_max: int = 5_000
    """Live viewers of one api process; one more is answered 503."""

    @property
    def store_login(self) -> str:
        """The store's address with its password, for `store.connect` alone."""
        place = addresses.store(self.store)
        return replace(place, password=self.store_password or place.password).whole

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"Settings({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """All but secrets; tracebacks and logs show settings by this."""
        return [
            (name, SECRET[name](value) if name in SECRET else value)
            for name, value in msgspec.structs.asdict(self).items()
        ]


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from FENGHUO_* variables; unknown ones and values of the wrong type raise
    SettingsError.
    """
    values: dict[str, str | int] = {}
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        field = fields.get(name.removeprefix(PREFIX).lower())
        if field is None:
            if name in FOREIGN | GONE:
                continue
            names = ", ".join(PREFIX + known.upper() for known in fields)
            raise SettingsError(f"{name}: no such setting; known are {names}")
        if field.type is int:
            if not text.isdecimal():
                raise SettingsError(f"{name}: expected a whole number of 0 or more, got {text!r}")
            if name.endswith("_PORT") and int(text) > addresses.PORT_MAX:
                raise SettingsError(
                    f"{name}: expected a port up to {addresses.PORT_MAX}, got {text}"
                )
            values[field.name] = int(text)
        elif (choices := get_args(field.type)) and text not in choices:
            raise SettingsError(f"{name}: expected {' or '.join(choices)}, got {text!r}")
        else:
            values[field.name] = text
    return _addressed(Settings(**values))  # type: ignore[arg-type]


def _addressed(found: Settings) -> Settings:
    """The settings with addresses as every client understands them, and the password apart."""
    try:
        kafka = ",".join(addresses.brokers(found.kafka))
    except AddressError as error:
        raise SettingsError(f"{PREFIX}KAFKA: {error}") from None
    try:
        place = addresses.store(found.store)
    except AddressError as error:
        raise SettingsError(f"{PREFIX}STORE: {error}") from None
    try:
        hosts.read(found.hosts)
    except AddressError as error:
        raise SettingsError(f"{PREFIX}HOSTS: {error}") from None
    given = {place.password, found.store_password, _first_line(found.store_password_file)} - {""}
    if len(given) > 1:
        raise SettingsError(
            f"{PREFIX}STORE_PASSWORD: expected one password of the store, got {len(given)} that"
            f" differ: give it in one of {PREFIX}STORE, {PREFIX}STORE_PASSWORD,"
            f" {PREFIX}STORE_PASSWORD_FILE"
        )
    return msgspec.structs.replace(
        found, kafka=kafka, store=place.plain, store_password="".join(given), store_password_file=""
    )


def _first_line(path: str) -> str:
    if not path:
        return ""
    name = f"{PREFIX}STORE_PASSWORD_FILE"
    try:
        text = Path(path).read_bytes().decode()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"{name}: cannot read the file it names: {why}") from None
    if not (line := text.partition("\n")[0].removesuffix("\r")):
        raise SettingsError(f"{name}: expected a password in the file's first line, got none")
    return line


def _hidden(value: str) -> str:
    return "***" if value else ""


def _public(value: str) -> str:
    try:
        return addresses.store(value).public
    except AddressError:
        return "***"


SECRET = {"store": _public, "store_password": _hidden}
"""What is shown of the fields that hold, or may hold, a secret."""


FOREIGN = frozenset(
    {"FENGHUO_CHROMIUM", "FENGHUO_REQUIRE_BROWSER", "FENGHUO_REQUIRE_PARTS", "FENGHUO_TEST_DATA"}
)
"""Variables with the same prefix that belong to the tests, not to the parts."""
GONE = frozenset({"FENGHUO_TRANSPORT"})
"""Settings of earlier releases that mean nothing any more."""


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make `read` give these settings again: how a parent hands them to its
    parts.
    """
    return {
        PREFIX + name.upper(): str(value)
        for name, value in msgspec.structs.asdict(settings).items()
    }
