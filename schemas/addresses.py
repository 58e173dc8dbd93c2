"""Addresses of the broker and of the store: one reader for every client, so that all understand the
same. Pure; nothing is looked up.

What is said about a store's address never repeats a piece of it: a password may lie anywhere in
what somebody wrote.
"""

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import quote, unquote

KAFKA_PORT = 9092
CLICKHOUSE_PORT = 9000
PORT_MAX = 65_535
CHDB, CLICKHOUSE = "chdb:", "clickhouse://"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*)://")
_PLAIN = frozenset({"plaintext", "kafka", "tcp"})
_GUARDED = frozenset({"ssl", "sasl_ssl", "sasl_plaintext"})
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s,;:/?#@%\\\[\]'\"]+")
_FORMS = "chdb:DIR or clickhouse://user@host:9000/database"


class AddressError(ValueError):
    """An address that cannot be used: what was expected, and the cure."""


def brokers(text: str) -> tuple[str, ...]:
    """Bootstrap servers, each `host:port`, in the order given and each once.

    Commas, semicolons and spaces separate them; `PLAINTEXT://` before one and a missing port have
    one meaning and are taken. Raises AddressError for anything else.
    """
    if "@" in text:
        raise AddressError("expected host:port of each broker, without user and password")
    found = [_broker(one) for one in re.split(r"[,;\s]+", text) if one]
    if not found:
        raise AddressError("expected host:port, host:port, ... of the brokers, got none")
    return tuple(dict.fromkeys(found))


def _broker(text: str) -> str:
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    name = scheme[1].lower() if scheme else "plaintext"
    if name in _GUARDED:
        raise AddressError(
            f"{name.upper()}:// is not supported yet: name a PLAINTEXT listener, as host:port"
        )
    if name not in _PLAIN:
        raise AddressError(f"expected host:port of a broker, got an address of {name}://")
    host, port = _host_port(rest.removesuffix("/"), KAFKA_PORT, what=repr(text))
    return f"{host}:{port}"


@dataclass(frozen=True)
class StoreAddress:
    """Where the store is: `folder` of one in process, or host, user and database of a server."""

    folder: str = ""
    host: str = ""
    port: int = CLICKHOUSE_PORT
    user: str = field(default="default", repr=False)
    password: str = field(default="", repr=False)
    database: str = "default"

    @property
    def public(self) -> str:
        """For pages, logs and errors: without user and password."""
        return self._written("")

    @property
    def plain(self) -> str:
        """For settings: with the user, without the password."""
        return self._written(quote(self.user, safe=""))

    @property
    def whole(self) -> str:
        """For `connect` alone: with the password, percent-encoded."""
        return self._written(f"{quote(self.user, safe='')}:{quote(self.password, safe='')}")

    def _written(self, login: str) -> str:
        if self.folder:
            return f"{CHDB}{self.folder}"
        at = f"{login}@" if login else ""
        return f"{CLICKHOUSE}{at}{self.host}:{self.port}/{quote(self.database, safe='')}"


def store(text: str) -> StoreAddress:
    """The store's address. User and password may be percent-encoded or written as they are: the
    last `@` ends them. Raises AddressError, which shows nothing of what was written.
    """
    text = text.strip()
    if text.lower().startswith(CHDB):
        return _folder(text[len(CHDB) :])
    if not text.lower().startswith(CLICKHOUSE):
        raise AddressError(f"expected {_FORMS}, got {_kind_of(text)}")
    login, _, place = text[len(CLICKHOUSE) :].rpartition("@")
    place, _, words = place.partition("?")
    if words:
        raise AddressError(
            "expected nothing after ? in clickhouse://user@host:9000/database: no option is"
            " supported yet, TLS neither (a ? of a password is written %3F)"
        )
    host_port, _, database = place.partition("/")
    host, port = _host_port(host_port, CLICKHOUSE_PORT, what=None)
    user, _, password = login.partition(":")
    return StoreAddress(
        host=host,
        port=port,
        user=_decoded(user) or "default",
        password=_decoded(password),
        database=_decoded(database.strip("/")) or "default",
    )


def _folder(text: str) -> StoreAddress:
    if text.startswith("//") and not text.startswith("///"):
        raise AddressError("expected chdb:DIR without a host, as chdb:fenghuo-data/store")
    if not text:
        raise AddressError("expected chdb:DIR, got no folder")
    return StoreAddress(folder=str(PurePath(re.sub("^/+", "/", text))))


def _host_port(text: str, default: int, *, what: str | None) -> tuple[str, int]:
    """What stands before the port, and the port; `what` is shown when it is neither."""
    came = f", got {what}" if what else ""
    if text.count(":") > 1 and "[" not in text:
        raise AddressError(f"expected an IPv6 address in brackets, as [::1]:{default}{came}")
    found = re.fullmatch(rf"({_HOST.pattern})(?::([0-9]*))?", text, re.ASCII)
    if found is None:
        raise AddressError(f"expected host:port{came}")
    port = int(found[2]) if found[2] else default
    if not 0 < port <= PORT_MAX:
        raise AddressError(f"expected a port of 1 to {PORT_MAX}{came}")
    return found[1], port


def _kind_of(text: str) -> str:
    """What an address is, told by its scheme alone."""
    if not text:
        return "nothing"
    scheme = _SCHEME.match(text)
    if scheme is None:
        return "something else (not shown: it may hold a password)"
    if scheme[1].lower() in ("http", "https"):
        return "an address of HTTP: name the port of the native protocol"
    return "an address of another kind (not shown: it may hold a password)"


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text  # no encoding of text: it is meant as it stands
