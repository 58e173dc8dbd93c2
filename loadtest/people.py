"""Generated visitors: orders, visits and complaints of a tick as columns. Same seed, same draw.

What rows have in common is drawn once as a *profile* (region, category, status, ...), at most
PROFILES_MAX of them for a kind; each row then picks a profile. Small ticks give every row its own,
large ones share the profiles of their second. So a frame's table stays small and known at any rate,
and shares still converge, because each second draws new profiles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from fenghuo.loadtest.wire import STATUSES

TICK_MS: Final = 100
TICKS_PER_S: Final = 1000 // TICK_MS
PROFILES_MAX: Final = 1_024
RATE_MAX: Final = 20_000_000
USERS: Final = 5_000_000
AMOUNT_FEN_MAX: Final = 10**8
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

Generators = tuple[np.random.Generator, np.random.Generator]
"""One for profiles, one for rows."""

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
    rate_per_s: int
    seed: int
    weights: tuple[float, float, float] = (30.0, 68.0, 2.0)
    """Orders, traffic, complaints."""
    region_share: Mapping[str, float] = field(default_factory=dict)
    """Regions with a share of their own; the rest is shared as usual."""
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Draw:
    """The rows of one kind in one tick; `dt_ms` rises, `code` points into the profile columns."""

    kind: Kind
    dt_ms: NDArray[np.uint16]
    code: NDArray[np.uint16]
    profiles: dict[str, NDArray[Any]]
    values: dict[str, NDArray[Any]]


def demo_incidents(labels: Mapping[str, Sequence[str]]) -> tuple[Incident, ...]:
    """Seconds 15 to 35: payments fail in the south and are slow, complaints burst."""
    span = (15_000, 35_000)
    return (
        Incident("payment_failures", _label(labels["region"], "south"), 0.12, *span),
        Incident("slow_system", _label(labels["system"], "payment"), 6.0, *span),
        Incident("complaint_burst", _label(labels["type"], "payment"), 8.0, *span),
    )


def draw(scene: Scene, tick: int) -> tuple[Draw, ...]:
    """All rows of one tick of TICK_MS. Ticks do not depend on one another."""
    rows = scene.rate_per_s * (tick + 1) // TICKS_PER_S - scene.rate_per_s * tick // TICKS_PER_S
    rng = _generator(scene.seed, tick)
    active = [incident for incident in scene.incidents if incident.active(tick * TICK_MS)]
    weights = np.array(scene.weights, dtype=np.float64)
    for incident in active:
        if incident.effect == "complaint_burst":
            weights[2] *= incident.amount
    counts = rng.multinomial(rows, weights / weights.sum())
    draws = []
    for number, drawer in enumerate((_orders, _traffic, _complaints), 1):
        count = int(counts[number - 1])
        if count:
            shared = _generator(scene.seed, tick // TICKS_PER_S, number)
            who = shared if count >= PROFILES_MAX else rng
            draws.append(drawer(scene, (who, rng), count, active))
    return tuple(draws)


def _generator(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(seed))))


def _orders(scene: Scene, rngs: Generators, rows: int, active: list[Incident]) -> Draw:
    size, (who, rng) = min(rows, PROFILES_MAX), rngs
    regions = list(scene.labels["region"])
    region = who.choice(len(regions), size, p=_region_weights(scene))
    failure = np.full(len(regions), FAILURE_SHARE)
    for incident in active:
        if incident.effect == "payment_failures":
            failure[regions.index(incident.label)] = incident.amount
    words = np.array(STATUSES)
    shares = np.array([ORDER_SHARES.get(word, 0.0) for word in STATUSES])
    status = words[who.choice(len(words), size, p=shares)]
    status[(status == "paid") & (who.random(size) < failure[region])] = "failed"
    new_user = who.random(size) < 0.18
    profiles = {
        "region": np.array(regions)[region],
        "category": _pick(who, scene.labels["category"], size),
        "channel": _pick(who, scene.labels["channel"], size),
        "payment": _pick(who, scene.labels["payment"], size),
        "status": status,
        "new_user": new_user,
        "repeat": ~new_user & (who.random(size) < 0.43),
    }
    amount = np.exp(rng.normal(9.6, 0.9, rows))  # median 148 yuan
    values = {
        "amount_fen": np.clip(amount, 100, AMOUNT_FEN_MAX).astype(np.uint32),
        "user_id": rng.integers(1, USERS, rows, dtype=np.uint32),
    }
    return Draw("order", _times(rng, rows), _codes(rng, rows, size), profiles, values)


def _traffic(scene: Scene, rngs: Generators, rows: int, active: list[Incident]) -> Draw:
    size, (who, rng) = min(rows, PROFILES_MAX), rngs
    systems = list(scene.labels["system"])
    system = who.choice(len(systems), size, p=_weights(len(systems)))
    median_ms = 20.0 + 10.0 * (np.arange(len(systems)) % 7)
    for incident in active:
        if incident.effect == "slow_system":
            median_ms[systems.index(incident.label)] *= incident.amount
    regions = np.array(scene.labels["region"])
    profiles = {
        "region": regions[who.choice(len(regions), size, p=_region_weights(scene))],
        "system": np.array(systems)[system],
        "channel": _pick(who, scene.labels["channel"], size),
        "action": _pick(who, scene.labels.get("action") or ACTIONS, size),
        "status": who.choice(list(HTTP_SHARES), size, p=list(HTTP_SHARES.values())).astype(
            np.int16
        ),
    }
    code = _codes(rng, rows, size)
    latency = median_ms[system][code] * np.exp(rng.normal(0.0, 0.5, rows))
    values = {
        "latency_ms": np.clip(latency, 1, LATENCY_MS_MAX).astype(np.uint16),
        "user_id": rng.integers(1, USERS, rows, dtype=np.uint32),
    }
    return Draw("traffic", _times(rng, rows), code, profiles, values)


def _complaints(scene: Scene, rngs: Generators, rows: int, active: list[Incident]) -> Draw:
    size, (who, rng) = min(rows, PROFILES_MAX), rngs
    regions = np.array(scene.labels["region"])
    types = _pick(who, scene.labels["type"], size)
    for incident in active:
        if incident.effect == "complaint_burst":
            surplus = who.random(size) < 1 - 1 / incident.amount
            types = np.where(surplus, incident.label, types)
    profiles = {
        "region": regions[who.choice(len(regions), size, p=_region_weights(scene))],
        "category": _pick(who, scene.labels["category"], size),
        "channel": _pick(who, scene.labels["channel"], size),
        "type": types,
        "severity": who.choice(5, size, p=SEVERITY_SHARES).astype(np.int8) + np.int8(1),
    }
    values = {"user_id": rng.integers(1, USERS, rows, dtype=np.uint32)}
    return Draw("complaint", _times(rng, rows), _codes(rng, rows, size), profiles, values)


def _times(rng: np.random.Generator, rows: int) -> NDArray[np.uint16]:
    return np.sort(rng.integers(0, TICK_MS, rows, dtype=np.uint16))


def _codes(rng: np.random.Generator, rows: int, size: int) -> NDArray[np.uint16]:
    if rows == size:
        return np.arange(rows, dtype=np.uint16)
    return rng.integers(0, size, rows, dtype=np.uint16)


def _pick(rng: np.random.Generator, labels: Sequence[str], size: int) -> NDArray[Any]:
    return np.array(labels)[rng.choice(len(labels), size, p=_weights(len(labels)))]


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
