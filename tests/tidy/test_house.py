"""The rules of the house, held against every file. A failure reads `path:line: error: what`."""

import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import pytest

from tests.tidy import imports, shape
from tests.tidy.files import ROOT, Source, sources

settings = pytest.importorskip("fenghuo.schemas.settings")

RULES: list[Callable[[Source], Iterator[str]]] = [
    imports.layers,
    imports.faust_homes,
    imports.bare_names,
    imports.pure_core,
    shape.module_length,
    shape.line_length,
    shape.function_length,
    shape.positional_parameters,
    shape.docstring,
    shape.empty_init,
    shape.reminders,
    shape.one_title,
    shape.machine_words,
]

FILES_MAX = 12
METRIC_HOMES = ("streams/metrics.py", "api/metrics.py", "schemas/metric_names.py")
IMPORT_NAMES = {
    "faust-streaming": "faust",
    "hdrhistogram": "hdrh",
    "kafka-python": "kafka",
    "mode-streaming": "mode",
    "pyyaml": "yaml",
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_of_the_house(rule: Callable[[Source], Iterator[str]]) -> None:
    broken = [line for source in sources() for line in rule(source)]

    if broken:
        pytest.fail("\n" + "\n".join(broken), pytrace=False)


@pytest.mark.parametrize("ci", ["", "true"], ids=["at home", "in CI"])
def test_properties_are_tried_alike_at_home_and_in_ci_and_know_no_deadline(ci: str) -> None:
    shown = "from hypothesis import settings as s; d = s.default; print(d.deadline, d.derandomize)"
    command = [sys.executable, "-c", f"import tests.conftest; {shown}"]
    known = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        command, cwd=ROOT, env=known | ({"CI": ci} if ci else {}), capture_output=True, text=True
    )

    assert done.stdout.split() == ["None", "True"], done.stderr


def test_one_hypothesis_profile_for_all() -> None:
    own = re.compile(r"register_profile|load_profile|deadline=|derandomize=|database=")
    homes = {"tests/conftest.py", "tests/tidy/test_house.py"}
    tests = [s for s in sources() if s.path.startswith("tests/") and s.is_python]

    assert [s.path for s in tests if s.path not in homes and own.search(s.text)] == []


def rooms() -> Counter[str]:
    """Folders of code, and how many files each holds."""
    code = (source for source in sources() if source.path.endswith((".py", ".js", ".css")))
    return Counter(imports.room(source) for source in code)


def test_every_room_of_the_tables_exists() -> None:
    named = {*imports.FAUST_ROOMS, *imports.CORE, *imports.EXTRA}

    assert named - set(rooms()) == set()


def test_no_room_holds_more_than_a_dozen_files() -> None:
    assert [f"{room}: {files}" for room, files in rooms().items() if files > FILES_MAX] == []


def test_every_room_says_what_it_is_and_is_in_the_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    code = [s for s in sources() if s.is_python and s.layer in imports.LAYERS]
    expected = {imports.room(source) for source in code}
    said = {imports.room(source) for source in code if source.path.endswith("/__init__.py")}
    shipped = project["tool"]["setuptools"]["packages"]

    assert said == expected
    assert {name.removeprefix("fenghuo.").replace(".", "/") for name in shipped} == expected


def test_every_dependency_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    code = [source for source in sources() if source.layer in imports.LAYERS and source.is_python]
    used = {name.partition(".")[0] for s in code for _, name in imports.imported(s)}
    unused = {name for name in declared if IMPORT_NAMES.get(name, _plain(name)) not in used}

    assert unused == set()


def test_every_make_target_is_documented() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    assert phony
    assert sorted(targets) == sorted(phony[1].split())
    assert [name for name in targets if f"make {name}" not in _prose()] == []


def test_every_setting_is_in_the_runbook_with_its_default() -> None:
    fields = {field.name: field for field in msgspec.structs.fields(settings.Settings)}
    rows = dict(re.findall(r"^\| `(FENGHUO_[A-Z_]+)` \| `([^`|]*)` \|", _runbook(), re.MULTILINE))
    expected = {
        settings.PREFIX + name.upper(): str(field.default).replace(f"{ROOT}/", "")
        for name, field in fields.items()
    }

    assert rows == expected


def test_every_metric_is_in_the_runbook() -> None:
    code = "\n".join((ROOT / home).read_text() for home in METRIC_HOMES)
    expected = {name.removesuffix("_total") for name in re.findall(r"\"(fenghuo_\w+)\"", code)}
    rows = re.findall(r"^\| `(fenghuo_\w+)` \|", _runbook(), re.MULTILINE)

    assert sorted({name.removesuffix("_total") for name in rows}) == sorted(expected)


def test_every_metric_has_one_home() -> None:
    """A name that two parts tell is counted twice by whoever sums it up."""
    homes: dict[str, set[str]] = {}
    for home in METRIC_HOMES:
        for name in re.findall(r"\"(fenghuo_\w+)\"", (ROOT / home).read_text()):
            homes.setdefault(name.removesuffix("_total"), set()).add(home)

    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _runbook() -> str:
    return (ROOT / "deploy/README.md").read_text()


def _prose() -> str:
    return "\n".join(source.text for source in sources() if source.path.endswith(".md"))
