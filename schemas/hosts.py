"""Hosts: under which names a server of ours may be asked for.

A page of a stranger whose name is made to lead to one of our addresses (DNS rebinding) asks from
inside a browser that may reach us, and it asks under its own name. Nobody else's name is an
address, `localhost`, or a name without a dot; all others have to be told.
"""

import ipaddress
import re

import msgspec

from fenghuo.schemas.addresses import AddressError

ANY = "*"
_HOST = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*?)\.?)(?::\d*)?")
_NAME = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


class Hosts(msgspec.Struct, frozen=True):
    """Names that are allowed beside addresses, `localhost` and names without a dot."""

    names: tuple[str, ...] = ()
    """Lower case; one that begins with `*` stands for all that end in the rest."""

    def allow(self, header: str) -> bool:
        """Whether a request with this `Host` (of HTTP, with or without a port) is for us."""
        name = _name(header)
        if "." not in name or name.endswith(".localhost") or _is_address(name):
            return True
        return any(
            name.endswith(one[1:]) if one.startswith(ANY) else name == one for one in self.names
        )


def read(text: str) -> tuple[str, ...]:
    """Names from a comma-separated list; raises AddressError for what is none."""
    names = tuple(name for part in text.split(",") if (name := part.strip().lower()))
    for name in names:
        if name != ANY and not _NAME.fullmatch(name):
            raise AddressError(
                f"expected names such as wall.example.com or *.example.com, got {name!r}:"
                " without http://, port and path"
            )
    return names


def is_loopback(host: str) -> bool:
    """Whether who listens at this address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name(header: str) -> str:
    found = _HOST.fullmatch(header.strip().lower())
    return (found[1] or found[2]) if found else header


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
