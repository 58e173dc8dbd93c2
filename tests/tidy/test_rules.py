"""Each rule of the house is seen failing on a bad snippet, and passing on a good one."""

from collections.abc import Callable, Iterator

import pytest

from tests.tidy import imports, shape
from tests.tidy.files import Source, sources

LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 61
REMINDER = "# TO" + "DO: later\n"
FOLDER = "/wo" + "rk/here"
HOST = "https://py" + "pi.org/simple"

BAD: list[tuple[Callable[[Source], Iterator[str]], str, str]] = [
    (imports.layers, "schemas/a.py", "import faust\n"),
    (imports.layers, "schemas/a.py", "import chdb\n"),
    (imports.layers, "schemas/a.py", "from fenghuo.alerts import ladder\n"),
    (imports.layers, "schemas/a.py", "from fenghuo import alerts\n"),
    (imports.layers, "alerts/a.py", "import fenghuo.streams.judge.judge\n"),
    (imports.layers, "alerts/a.py", "import aiokafka\n"),
    (imports.layers, "streams/a.py", "from fenghuo.loadtest import pacer\n"),
    (imports.layers, "streams/judge/a.py", "def f():\n    from fenghuo.api import app\n"),
    (imports.layers, "api/a.py", "from fenghuo.deploy.cli import main\n"),
    (imports.layers, "schemas/wire/a.py", "import aiokafka\n"),
    (imports.layers, "api/a.py", "from fenghuo.streams import judge\n"),
    (imports.layers, "loadtest/a.py", "from fenghuo.alerts import ladder\n"),
    (imports.faust_homes, "streams/judge/judge.py", "import faust.types\n"),
    (imports.faust_homes, "api/a.py", "from mode import Service\n"),
    (imports.bare_names, "streams/a.py", "import schemas.events\n"),
    (imports.bare_names, "tests/streams/test_a.py", "from schemas import events\n"),
    (imports.pure_core, "schemas/a.py", "import time\n"),
    (imports.pure_core, "alerts/a.py", "from random import choice\n"),
    (imports.pure_core, "streams/gather/gather.py", "import logging\n"),
    (imports.pure_core, "api/view/a.py", "from uuid import uuid4\n"),
    (imports.pure_core, "schemas/a.py", "import datetime\nx = datetime.datetime.now()\n"),
    (imports.pure_core, "schemas/a.py", "from datetime import date\nx = date.today()\n"),
    (imports.pure_core, "alerts/a.py", "print(1)\n"),
    (shape.module_length, "api/a.py", "x = 1\n" * 401),
    (shape.line_length, "api/a.py", "x" * 101),
    (shape.line_length, "api/static/a.js", "x" * 101),
    (shape.function_length, "api/a.py", LONG_FUNCTION),
    (shape.positional_parameters, "api/a.py", "def f(a, b, c, d, e): ...\n"),
    (shape.docstring, "api/a.py", "x = 1\n"),
    (shape.empty_init, "api/__init__.py", '"""Doc."""\nx = 1\n'),
    (shape.empty_init, "api/__init__.py", "x = 1\n"),
    (shape.reminders, "api/a.py", REMINDER),
    (shape.one_title, "a.md", "no title\n"),
    (shape.one_title, "a.md", "# one\n# two\n"),
    (shape.machine_words, "a.md", f"see {FOLDER}\n"),
    (shape.machine_words, "a.toml", f'index = "{HOST}"\n'),
]

GOOD: list[tuple[Callable[[Source], Iterator[str]], str, str]] = [
    (imports.layers, "schemas/a.py", "import json\nimport msgspec\nimport fenghuo.schemas.b\n"),
    (imports.layers, "schemas/store/a.py", "import clickhouse_driver\n"),
    (imports.layers, "deploy/cli/run.py", "from fenghuo.api import app\n"),
    (imports.layers, "deploy/__main__.py", "from fenghuo.loadtest import pacer\n"),
    (imports.layers, "tests/a.py", "import httpx\n"),
    (imports.faust_homes, "streams/judge/worker.py", "import faust\n"),
    (imports.bare_names, "streams/a.py", "import fenghuo.schemas.kinds.events\n"),
    (imports.pure_core, "schemas/store/a.py", "import time\n"),
    (imports.pure_core, "streams/judge/worker.py", "import time\n"),
    (imports.pure_core, "streams/part.py", "import time\n"),
    (
        imports.pure_core,
        "schemas/a.py",
        "from datetime import datetime\nx = datetime(2026, 1, 1)\n",
    ),
    (shape.function_length, "api/a.py", LONG_FUNCTION.replace("x = 1", "# x") + "    x = 1\n"),
    (shape.function_length, "tests/a.py", LONG_FUNCTION),
    (shape.positional_parameters, "api/a.py", "class A:\n    def f(self, a, b, c, d, *, e): ...\n"),
    (shape.empty_init, "api/__init__.py", '"""Doc."""\n'),
    (shape.empty_init, "api/__init__.py", ""),
    (shape.one_title, "a.md", "# one\n```sh\n# a comment\n```\n## two\n"),
    (shape.machine_words, "a.md", "homework/here, data/work/x, ~/.config\n"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_bad_snippet_fails(rule: Callable[[Source], Iterator[str]], path: str, text: str) -> None:
    found = list(rule(Source(path, text)))

    assert found
    assert all(line.startswith(f"{path}:") and ": error: " in line for line in found)


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_good_snippet_passes(rule: Callable[[Source], Iterator[str]], path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []


def test_the_files_are_found() -> None:
    paths = {source.path for source in sources()}

    assert {"pyproject.toml", "fenghuo.py", "tests/tidy/files.py"} <= paths
    assert not [path for path in paths if path.startswith((".venv/", "build/", "LICENSE"))]
