"""Reads the names of a campaign file: labels, their titles, and the cuts made of them."""

from collections.abc import Mapping
from typing import Any

from fenghuo.schemas.campaign.parts import Title
from fenghuo.schemas.campaign.toml_reader import Notes, Phrase, Reader, one_of
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.kinds.measures import (
    BASE_CUTS,
    DIMENSIONS,
    FIXED_LABELS,
    KINDS,
    OTHER,
    UNCLASSIFIED,
)

LABELS_MAX = 200
LABEL_CHARS_MAX = 64
CUTS_MAX = 20
CUT_DIMENSIONS_MAX = 2  # tables keep two label columns

_FREE = {name for names in DIMENSIONS.values() for name in names} - set(FIXED_LABELS)
FREE_DIMENSIONS: tuple[str, ...] = tuple(sorted(_FREE))
REQUIRED_DIMENSIONS: tuple[str, ...] = tuple(
    sorted({name for cuts in BASE_CUTS.values() for cut in cuts for name in cut} & _FREE)
)


def read_labels(table: Reader) -> dict[str, tuple[str, ...]]:
    """[labels]: the fixed dimensions are added here, so every dimension of a cut has an entry."""
    found = dict(FIXED_LABELS)
    for dimension in REQUIRED_DIMENSIONS:
        table.raw(dimension, "a list of labels")
    for dimension in table.names():
        if dimension in FIXED_LABELS:
            labels = ", ".join(FIXED_LABELS[dimension])
            table.notes.add(
                table.path(dimension), f"nothing: its labels are always {labels}", Phrase("a list")
            )
        elif dimension not in FREE_DIMENSIONS:
            table.notes.add(
                table.path(dimension), one_of(FREE_DIMENSIONS), dimension, FREE_DIMENSIONS
            )
        else:
            found[dimension] = _read_label_list(table, dimension)
    for dimension in REQUIRED_DIMENSIONS:
        found.setdefault(dimension, ())
    return found


def _read_label_list(table: Reader, dimension: str) -> tuple[str, ...]:
    taken = (OTHER, UNCLASSIFIED) if dimension == "type" else (OTHER,)
    found: dict[str, None] = {}
    for path, label in table.items(dimension, LABELS_MAX):
        if not isinstance(label, str) or not _is_label(label):
            expected = f'a printable label of 1 to {LABEL_CHARS_MAX} characters without "," or "="'
            table.notes.add(path, expected, label)
        elif label in taken:
            table.notes.add(path, "a label other than that: it always exists by itself", label)
        elif label in found:
            table.notes.add(path, "labels that differ", label)
        else:
            found[label] = None
    return tuple(found)


def _is_label(label: str) -> bool:
    """Fit to be a part of a scope ("region=east") and of a cut's key."""
    clean = label.isprintable() and label == label.strip() and "," not in label and "=" not in label
    return clean and 0 < len(label) <= LABEL_CHARS_MAX


def read_titles(
    table: Reader | None, labels: Mapping[str, tuple[str, ...]]
) -> dict[str, dict[str, Title]]:
    """[titles.DIMENSION]: names of labels for people."""
    if table is None:
        return {}
    found: dict[str, dict[str, Title]] = {}
    for dimension in table.names():
        if dimension not in labels:
            table.notes.add(table.path(dimension), one_of(tuple(labels)), dimension, labels)
            continue
        inner = table.table(dimension)
        known = (*labels[dimension], OTHER, UNCLASSIFIED)
        for label in inner.names():
            if label not in known and labels[dimension]:  # none: noted where they are missing
                inner.notes.add(inner.path(label), f"a label of {dimension}", label, known)
        found[dimension] = {
            label: read_title(inner, label) for label in inner.names() if label in known
        }
    return found


def read_cuts(
    table: Reader | None, labels: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[Cut, ...]]:
    """[cuts]: extra cuts by kind."""
    if table is None:
        return {}
    found: dict[str, tuple[Cut, ...]] = {}
    for kind in table.names():
        if kind not in KINDS:
            table.notes.add(table.path(kind), one_of(KINDS), kind, KINDS)
            continue
        good = [
            tuple(cut)
            for path, cut in table.items(kind, CUTS_MAX)
            if _check_cut(table.notes, path, cut, _usable(kind, labels))
        ]
        found[kind] = tuple(dict.fromkeys(good))
    return found


def _usable(kind: str, labels: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [name for name in DIMENSIONS[kind] if name in labels]


def _check_cut(notes: Notes, path: str, cut: Any, usable: list[str]) -> bool:
    if not isinstance(cut, list) or not cut:
        notes.add(path, 'a list of dimensions like ["region", "promotion"]', cut)
        return False
    for name in cut:
        if name not in usable:
            expected = f"a dimension of this kind with labels ({one_of(usable)})"
            notes.add(path, expected, name, usable)
            return False
    if len(cut) > CUT_DIMENSIONS_MAX:
        notes.add(path, f"at most {CUT_DIMENSIONS_MAX} dimensions", Phrase(str(len(cut))))
        return False
    if len(set(cut)) < len(cut):
        notes.add(path, "dimensions that differ", cut)
        return False
    return True


def read_title(table: Reader, key: str) -> Title:
    """A table with zh and en."""
    inner = table.table(key)
    title = Title(zh=inner.text("zh"), en=inner.text("en"))
    inner.done()
    return title
