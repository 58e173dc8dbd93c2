"""Reads what people do: [departments], [playbooks], [[duty]] and [budgets]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fenghuo.schemas.campaign.names import read_title
from fenghuo.schemas.campaign.parts import Rule, Title
from fenghuo.schemas.campaign.toml_reader import ID_PATTERN, Phrase, Reader, one_of
from fenghuo.schemas.level import WARNINGS, Level

DEPARTMENTS_MAX = 50
PLAYBOOKS_MAX = 100
STEPS_MAX = 30
SHIFTS_MAX = 1_000
PEOPLE_MAX = 50
SHIFT_MS_MAX = 7 * 86_400_000
FEN_MAX = 10**17
_LEVELS = {level.word: level for level in WARNINGS}


@dataclass(frozen=True, slots=True)
class Department:
    """Who answers for rules and playbooks. channel: where it is told, "" for the first one."""

    id: str
    title: Title
    channel: str


@dataclass(frozen=True, slots=True)
class Playbook:
    """What is done when a warning comes, step by step, and within how many minutes."""

    id: str
    title: Title
    owner: str
    within_minutes: int
    steps: tuple[Title, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """Who of a department is on duty, end excluded, and from which level on they are woken."""

    department: str
    people: tuple[str, ...]
    start_ms: int
    end_ms: int
    wake_from: Level


@dataclass(frozen=True, slots=True)
class Budgets:
    """What may be spent. notices_per_hour: what a channel is told in an hour, at most; wakes: how
    often a person is woken in a shift, at most; 0: nothing is said. elastic_share: what of the
    money is kept back.
    """

    spend_fen: int = 0
    elastic_share: float = 0.0
    notices_per_hour: int = 0
    wakes_per_shift: int = 0


@dataclass(frozen=True, slots=True)
class Plans:
    """All of it."""

    departments: Mapping[str, Department] = field(default_factory=dict)
    playbooks: Mapping[str, Playbook] = field(default_factory=dict)
    duty: tuple[Shift, ...] = ()
    budgets: Budgets = Budgets()


def read_plans(root: Reader, *, channels: Sequence[str], start_ms: int, end_ms: int) -> Plans:
    """Everything but what rules say of it."""
    departments = _read_departments(root.optional("departments"), channels)
    names = tuple(departments)
    return Plans(
        departments,
        _read_playbooks(root.optional("playbooks"), names),
        _read_duty(root, names, start_ms=start_ms, end_ms=end_ms),
        _read_budgets(root.optional("budgets")),
    )


def check_rules(root: Reader, rules: Sequence[Rule], plans: Plans) -> None:
    """Note every rule whose playbook or owner is not there, as far as there are any."""
    for i, rule in enumerate(rules):
        named = (
            ("playbook", rule.playbook, plans.playbooks),
            ("owner", rule.owner, plans.departments),
        )
        for key, name, known in named:
            if known and name and name not in known:
                root.notes.add(f"rules[{i}].{key}", one_of(tuple(known)), name, known)


def _names(table: Reader, most: int, what: str) -> list[str]:
    names = table.names()
    if len(names) > most:
        table.notes.add(table.path(""), f"at most {most} {what}", Phrase(str(len(names))))
    for name in names[:most]:
        if not ID_PATTERN.fullmatch(name):
            table.notes.add(table.path(name), "a name in snake_case", name)
    return names[:most]


def _read_departments(table: Reader | None, channels: Sequence[str]) -> dict[str, Department]:
    found = {}
    for name in _names(table, DEPARTMENTS_MAX, "departments") if table else ():
        assert table is not None
        inner = table.table(name)
        channel = inner.choice("channel", tuple(channels)) if inner.has("channel") else ""
        found[name] = Department(name, read_title(inner, "title"), channel)
        inner.done()
    return found


def _read_playbooks(table: Reader | None, departments: Sequence[str]) -> dict[str, Playbook]:
    found = {}
    for name in _names(table, PLAYBOOKS_MAX, "playbooks") if table else ():
        assert table is not None
        inner = table.table(name)
        found[name] = Playbook(
            name,
            read_title(inner, "title"),
            inner.choice("owner", departments),
            inner.integer("within_minutes", 1, 10_080),
            tuple(_read_step(step) for step in inner.tables("steps", STEPS_MAX)),
        )
        if not found[name].steps:
            inner.notes.add(inner.path("steps"), f"1 to {STEPS_MAX} steps", Phrase("none"))
        inner.done()
    return found


def _read_step(step: Reader) -> Title:
    title = Title(step.text("zh"), step.text("en"))
    step.done()
    return title


def _read_duty(
    root: Reader, departments: Sequence[str], *, start_ms: int, end_ms: int
) -> tuple[Shift, ...]:
    found: list[Shift] = []
    for table in root.tables("duty", SHIFTS_MAX):
        begins_ms, ends_ms = table.moment_ms("start"), table.moment_ms("end")
        department = table.choice("department", departments)
        people = _read_people(table)
        word = table.choice("wake_from", tuple(_LEVELS)) if table.has("wake_from") else ""
        table.done()
        if begins_ms is None or ends_ms is None:
            continue
        shift = Shift(department, people, begins_ms, ends_ms, _LEVELS.get(word, Level.BLUE))
        if not start_ms <= begins_ms < end_ms:
            table.notes.add(
                table.path("start"), "a start inside the campaign", table.raw("start", "")
            )
        if not begins_ms < ends_ms <= begins_ms + SHIFT_MS_MAX:
            expected = "an end after the start and at most 7 days later"
            table.notes.add(table.path("end"), expected, table.raw("end", ""))
        for person in people:
            if any(_meets(shift, other) and person in other.people for other in found):
                expected = "people who are on no other duty at that time"
                table.notes.add(table.path("people"), expected, person)
        found.append(shift)
    return tuple(sorted(found, key=lambda shift: (shift.start_ms, shift.department)))


def _meets(one: Shift, other: Shift) -> bool:
    return one.start_ms < other.end_ms and other.start_ms < one.end_ms


def _read_people(table: Reader) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path, name in table.items("people", PEOPLE_MAX):
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            table.notes.add(path, "a name", name)
        elif name in found:
            table.notes.add(path, "names that differ", name)
        else:
            found[name] = None
    return tuple(found)


def _read_budgets(table: Reader | None) -> Budgets:
    if table is None:
        return Budgets()
    budgets = Budgets(
        table.integer("spend_fen", 0, FEN_MAX, default=0),
        table.number("elastic_share", 0.0, 1.0, default=0.0),
        table.integer("notices_per_hour", 0, 100_000, default=0),
        table.integer("wakes_per_shift", 0, 1_000, default=0),
    )
    table.done()
    return budgets
