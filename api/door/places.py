"""Places: a bounded number of them, and no one address takes them all from the others."""

import ipaddress
from typing import Generic, TypeVar

T = TypeVar("T")
SHARE = 8
"""An address that holds more than one of so many parts is crowded."""
NETWORK_BITS = 64
"""Of an IPv6 address: the rest of it one host may choose as it likes."""


class Full(Exception):
    """There is no place."""


class Places(Generic[T]):
    """Who holds a place, by address.

    When all are taken, a newcomer gets one from the address that holds most, if that is crowded and
    its own is not. Behind a proxy all have one address: there nobody loses a place to another.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._held: dict[str, dict[T, None]] = {}
        self._crowded: set[str] = set()

    def __len__(self) -> int:
        return self._taken

    def take(self, holder: T, address: str) -> T | None:
        """A place for one more; who has lost his to it, if anybody has. Raises Full."""
        network, lost = _network(address), None
        if self._taken >= self.most:
            if network in self._crowded or not self._crowded:
                raise Full
            crowd = max(self._crowded, key=lambda one: len(self._held[one]))
            lost = next(iter(self._held[crowd]))
            self._drop(lost, crowd)
        self._held.setdefault(network, {})[holder] = None
        self._taken += 1
        if len(self._held[network]) > self.most // SHARE:
            self._crowded.add(network)
        return lost

    def leave(self, holder: T, address: str) -> None:
        """Give the place back; whoever has lost it already has none."""
        network = _network(address)
        if holder in self._held.get(network, {}):
            self._drop(holder, network)

    def _drop(self, holder: T, network: str) -> None:
        del self._held[network][holder]
        self._taken -= 1
        if len(self._held[network]) <= self.most // SHARE:
            self._crowded.discard(network)
        if not self._held[network]:
            del self._held[network]


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(int(found) >> (128 - NETWORK_BITS))
    return address
