"""The runbook's word on alerts, as a page: where `runbook_url` of the generated rules leads. Pure.

Only what the runbook is written with is understood: headings, paragraphs, code, bold, links.
"""

import html
import re
from pathlib import Path

RUNBOOK = Path(__file__).resolve().parent.parent / "deploy" / "README.md"
SHOWN = ("Alerts of fenghuo itself", "What to do when")
_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>fenghuo · runbook</title>'
)


def rendered(text: str) -> str:
    """The sections SHOWN of a runbook. Each heading in them is an anchor, in small letters."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return _HEAD + "".join(f"<h2>{name}</h2>{_blocks(sections[name])}" for name in SHOWN)


def _blocks(text: str) -> str:
    made = []
    for number, piece in enumerate(re.split(r"^```\w*\n", text, flags=re.MULTILINE)):
        if number % 2:
            made.append(f"<pre>{html.escape(piece)}</pre>")
            continue
        for block in filter(None, map(str.strip, piece.split("\n\n"))):
            name = block.removeprefix("### ")
            anchor = html.escape(name.lower())
            title = f'<h3 id="{anchor}">{html.escape(name)}</h3>'
            made.append(f"<p>{_inline(block)}</p>" if name == block else title)
    return "".join(made)


def _inline(text: str) -> str:
    made = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", html.escape(text))
    made = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", made)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", made)
