"""The project's files, as the rules see them: tracked, or new and not ignored."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Other people's work, under other people's rules.
FOREIGN = ("LICENSE", "api/static/vendor/")


@dataclass(frozen=True)
class Source:
    """One text file; `path` is relative to the root, with slashes."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def layer(self) -> str:
        return self.path.partition("/")[0]

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def is_test(self) -> bool:
        return self.layer == "tests"


@cache
def sources() -> tuple[Source, ...]:
    """Every text file of ours, in order of its path."""
    # The owner of a checkout may differ from the user who tests it, as in a container.
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = sorted({name for name in listing.stdout.split("\0") if name})
    found = (_read(path) for path in paths if not path.startswith(FOREIGN))
    return tuple(source for source in found if source)


def _read(path: str) -> Source | None:
    file = ROOT / path
    if file.is_symlink() or not file.is_file():
        return None
    content = file.read_bytes()
    if b"\0" in content:
        return None
    try:
        return Source(path, content.decode())
    except UnicodeDecodeError:
        return None
