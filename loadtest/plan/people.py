"""Generated visitors: orders, visits and complaints as columns. Same seed, same rows.

What rows have in common is a *profile* (region, category, status, ...), PROFILES of them for a
kind; each row picks one. So a frame's table stays small and known at any rate. Profiles are spread
evenly over what is asked for and not drawn by chance: few of them then keep to the shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from fenghuo.loadtest.wire import STATUSES

PROFILES: Final = 1_024
RATE_MAX: Final = 50_000_000
USERS: Final = 5_000_000
RING: Final = 40
"""Users of a brushing ring; their numbers lie above those of all others."""
AMOUNT_FEN_MAX: Final = 10**8
RING_AMOUNT_FEN: Final = 9_900
LATENCY_MS_MAX: Final = 60_000

ORDER_SHARES: Final = {
    "created": 0.46,
    "paid": 0.46,
    "cancelled": 0.03,
    "refunded": 0.02,
    "shipped": 0.02,
    "delivered": 0.01,
}
FAILURE_SHARE: Final = 0.015
"""Failed payments among all payments on a good day."""
HTTP_SHARES: Final = {200: 0.985, 302: 0.006, 404: 0.006, 500: 0.002, 503: 0.001}
SEVERITY_SHARES: Final = (0.10, 0.30, 0.35, 0.20, 0.05)
ACTIONS: Final = ("view", "search", "cart", "buy")

MIX: Final = (30.0, 68.0, 2.0)
"""Weights of orders, traffic, complaints."""
Rng = np.random.Generator
Kind = Literal["order", "traffic", "complaint"]
KINDS: Final[tuple[Kind, ...]] = ("order", "traffic", "complaint")


@dataclass(frozen=True, slots=True)
class Incident:
    """Something goes wrong for a while; times count from the start of the run."""

    effect: Literal["payment_failures", "slow_system", "complaint_burst"]
    label: str
    """The region of the failures, the system that is slow, the type of the complaints."""
    amount: float
    """The failure share, the latency factor, the factor on complaints."""
    start_ms: int
    end_ms: int

    def active(self, at_ms: int) -> bool:
        return self.start_ms <= at_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Scene:
    """Who comes, how many, and what goes wrong."""

    labels: Mapping[str, Sequence[str]]
    seed: int
    weights: tuple[float, float, float] = MIX
    """Orders, traffic, complaints."""
    region_share: Mapping[str, float] = field(default_factory=dict)
    """Regions with a share of their own; the rest is shared as usual."""
    incidents: tuple[Incident, ...] = ()
    brushing: float = 0.0
    """Share of the orders that a ring of fake buyers places."""


class Profiles(dict[str, NDArray[Any]]):
    """The columns of PROFILES profiles; one is like no other, so that what is made of it can be
    kept by it.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__


@dataclass(frozen=True, slots=True)
class Crowd:
    """Rows of one kind: `code` points into the profile columns, `values` has one entry a row."""

    kind: Kind
    code: NDArray[np.uint16]
    profiles: Profiles
    values: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.code)


def demo_incidents(labels: Mapping[str, Sequence[str]]) -> tuple[Incident, ...]:
    """Seconds 15 to 35: payments fail in the south and are slow, complaints burst."""
    span = (15_000, 35_000)
    return (
        Incident("payment_failures", _label(labels["region"], "south"), 0.12, *span),
        Incident("slow_system", _label(labels["system"], "payment"), 6.0, *span),
        Incident("complaint_burst", _label(labels["type"], "payment"), 8.0, *span),
    )


def crowd(scene: Scene, kind: Kind, rows: int, active: Sequence[Incident] = ()) -> Crowd:
    """This many visitors of a kind while these incidents last."""
    seed = [scene.seed, KINDS.index(kind), *(ord(letter) for i in active for letter in i.effect)]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    return _DRAWERS[kind](scene, rng, rows, active)


def _orders(scene: Scene, rng: Rng, rows: int, active: Sequence[Incident]) -> Crowd:
    regions = list(scene.labels["region"])
    region = _spread(rng, _region_weights(scene))
    failure = np.full(len(regions), FAILURE_SHARE)
    for incident in active:
        if incident.effect == "payment_failures":
            failure[regions.index(incident.label)] = incident.amount
    words = np.array(STATUSES)
    shares = np.array([ORDER_SHARES.get(word, 0.0) for word in STATUSES])
    status = words[_spread(rng, shares)]
    for number, share in enumerate(failure):
        paying = np.flatnonzero((status == "paid") & (region == number))
        status[rng.permutation(paying)[: round(share * len(paying))]] = "failed"
    new_user = _spread(rng, np.array([0.82, 0.18])) == 1
    profiles = {
        "region": np.array(regions)[region],
        "category": _pick(rng, scene.labels["category"]),
        "channel": _pick(rng, scene.labels["channel"]),
        "payment": _pick(rng, scene.labels["payment"]),
        "status": status,
        "new_user": new_user,
        "repeat": ~new_user & (_spread(rng, np.array([0.57, 0.43])) == 1),
    }
    amount = np.exp(rng.normal(9.6, 0.9, rows))  # median 148 yuan
    values = {
        "amount_fen": np.clip(amount, 100, AMOUNT_FEN_MAX).astype(np.uint32),
        "user_id": rng.integers(1, USERS, rows, dtype=np.uint32),
    }
    code = _codes(rng, rows)
    if scene.brushing:  # a ring buys the same over and over, and pays
        ring = rng.random(rows) < scene.brushing
        values["user_id"][ring] = rng.integers(USERS, USERS + RING, int(ring.sum()))
        values["amount_fen"][ring] = RING_AMOUNT_FEN
        code[ring] = np.flatnonzero(status == "paid")[0]
    return Crowd("order", code, Profiles(profiles), values)


def _traffic(scene: Scene, rng: Rng, rows: int, active: Sequence[Incident]) -> Crowd:
    systems = list(scene.labels["system"])
    system = _spread(rng, _weights(len(systems)))
    median_ms = 20.0 + 10.0 * (np.arange(len(systems)) % 7)
    for incident in active:
        if incident.effect == "slow_system":
            median_ms[systems.index(incident.label)] *= incident.amount
    regions = np.array(scene.labels["region"])
    profiles = {
        "region": regions[_spread(rng, _region_weights(scene))],
        "system": np.array(systems)[system],
        "channel": _pick(rng, scene.labels["channel"]),
        "action": _pick(rng, scene.labels.get("action") or ACTIONS),
        "status": np.array(list(HTTP_SHARES), np.int16)[
            _spread(rng, np.array(list(HTTP_SHARES.values())))
        ],
    }
    code = _codes(rng, rows)
    latency = median_ms[system][code] * np.exp(rng.normal(0.0, 0.5, rows))
    values = {
        "latency_ms": np.clip(latency, 1, LATENCY_MS_MAX).astype(np.uint16),
        "user_id": rng.integers(1, USERS, rows, dtype=np.uint32),
    }
    return Crowd("traffic", code, Profiles(profiles), values)


def _complaints(scene: Scene, rng: Rng, rows: int, active: Sequence[Incident]) -> Crowd:
    regions = np.array(scene.labels["region"])
    types = _pick(rng, scene.labels["type"])
    for incident in active:
        if incident.effect == "complaint_burst":
            surplus = rng.random(PROFILES) < 1 - 1 / incident.amount
            types = np.where(surplus, incident.label, types)
    profiles = {
        "region": regions[_spread(rng, _region_weights(scene))],
        "category": _pick(rng, scene.labels["category"]),
        "channel": _pick(rng, scene.labels["channel"]),
        "type": types,
        "severity": _spread(rng, np.array(SEVERITY_SHARES)).astype(np.int8) + np.int8(1),
    }
    values = {"user_id": rng.integers(1, USERS, rows, dtype=np.uint32)}
    return Crowd("complaint", _codes(rng, rows), Profiles(profiles), values)


_DRAWERS: Final = {"order": _orders, "traffic": _traffic, "complaint": _complaints}


def _codes(rng: Rng, rows: int) -> NDArray[np.uint16]:
    return rng.integers(0, PROFILES, rows, dtype=np.uint16)


def _spread(rng: Rng, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """A choice for every profile, each as often as its share says, in any order."""
    places = (np.arange(PROFILES) + 0.5) / PROFILES
    return rng.permutation(np.searchsorted(np.cumsum(shares / shares.sum()), places))


def _pick(rng: Rng, labels: Sequence[str]) -> NDArray[Any]:
    return np.array(labels)[_spread(rng, _weights(len(labels)))]


def _weights(count: int) -> NDArray[np.float64]:
    """Some are more popular than others: falling with the square root of the rank."""
    falling = 1.0 / np.sqrt(np.arange(1, count + 1))
    return falling / falling.sum()


def _region_weights(scene: Scene) -> NDArray[np.float64]:
    regions = list(scene.labels["region"])
    weights = _weights(len(regions))
    fixed = np.array([region in scene.region_share for region in regions])
    free = 1.0 - sum(scene.region_share.values())
    if not fixed.any():
        return weights
    rest = weights[~fixed].sum()
    weights[~fixed] *= free / rest if rest else 0.0
    weights[fixed] = [
        scene.region_share[region] for region in regions if region in scene.region_share
    ]
    return weights / weights.sum()


def _label(labels: Sequence[str], wanted: str) -> str:
    """The wanted label, or the first one in a campaign that does not know it."""
    return wanted if wanted in labels else labels[0]
