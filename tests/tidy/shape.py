"""Sizes, leftovers and words: rules that look at one file at a time."""

import ast
import re
from collections.abc import Iterator

from tests.tidy.files import Source

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
LINE_COLUMNS_MAX = 100
POSITIONAL_MAX = 4
# Tables and prose have their own widths; what people read as code has not.
CODE_ENDINGS = (".py", ".sh", ".js", ".css", ".sql", "Makefile", ".ci/run")

# Split, so that this file keeps its own rule.
REMINDER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
MACHINE_PATH = re.compile(r"(?<![\w.}~])/(?:" + "work|root|home|Users" + r")/\w|/tmp/" + r"lab")
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|repo1?\.maven|deb\.debian\.org"
    r"|--(?:extra-)?index-url|--find-[l]inks|PIP_(?:INDEX|FIND)"
)


def module_length(source: Source) -> Iterator[str]:
    if source.is_python and len(source.lines) > MODULE_LINES_MAX:
        found = len(source.lines)
        yield f"{source.path}:1: error: {found} lines, expected {MODULE_LINES_MAX} or fewer: split"


def line_length(source: Source) -> Iterator[str]:
    if not source.path.endswith(CODE_ENDINGS):
        return
    for number, line in enumerate(source.lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            wide = f"{len(line)} columns, expected {LINE_COLUMNS_MAX} or fewer"
            yield f"{source.path}:{number}: error: {wide}"


def function_length(source: Source) -> Iterator[str]:
    if source.is_test:
        return
    for function in _functions(source):
        if (found := _lines_of_code(source, function)) > FUNCTION_LINES_MAX:
            where = f"{source.path}:{function.lineno}: error: {function.name}"
            yield f"{where} has {found} lines of code, expected {FUNCTION_LINES_MAX} or fewer"


def positional_parameters(source: Source) -> Iterator[str]:
    if source.is_test:
        return
    for function in _functions(source):
        named = [*function.args.posonlyargs, *function.args.args]
        positional = [a for a in named if a.arg not in ("self", "cls")]
        required = len(positional) - len(function.args.defaults)
        if required > POSITIONAL_MAX and not function.decorator_list:
            where = f"{source.path}:{function.lineno}: error: {function.name}"
            yield f"{where} has {required} positional parameters: keyword-only after the fourth"


def docstring(source: Source) -> Iterator[str]:
    """Each module says in a sentence what it is responsible for."""
    if source.is_python and source.text.strip() and not ast.get_docstring(source.tree):
        yield f"{source.path}:1: error: expected a docstring that states what this module is for"


def empty_init(source: Source) -> Iterator[str]:
    if not source.path.endswith("__init__.py"):
        return
    body = source.tree.body
    if len(body) > 1 or (body and not ast.get_docstring(source.tree)):
        yield f"{source.path}:1: error: expected a docstring and nothing else"


def reminders(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        if found := REMINDER.search(line):
            yield f"{source.path}:{number}: error: {found[0]} left behind: do it or write an issue"


def one_title(source: Source) -> Iterator[str]:
    if not source.path.endswith(".md"):
        return
    prose = re.sub(r"^(```|~~~).*?^\1", "", source.text, flags=re.MULTILINE | re.DOTALL)
    if (titles := len(re.findall(r"^# ", prose, re.MULTILINE))) != 1:
        yield f"{source.path}:1: error: expected exactly one title (# ...), found {titles}"


def machine_words(source: Source) -> Iterator[str]:
    """What is true on one machine only: its folders, and where it gets its packages."""
    for number, line in enumerate(source.lines, 1):
        for pattern, what in ((MACHINE_PATH, "a machine's path"), (REGISTRY, "a package source")):
            if found := pattern.search(line):
                yield f"{source.path}:{number}: error: {what} in the project: {found[0]}"


def _functions(source: Source) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(source.tree) if source.is_python else ()
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _lines_of_code(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = source.lines[function.lineno - 1 : function.end_lineno]
    code = sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))
    text = ast.get_docstring(function, clean=False)
    return code - (sum(1 for line in text.splitlines() if line.strip()) if text else 0)
