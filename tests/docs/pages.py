"""The pages of the documentation, and the commands and code on them."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n)?^```(?P<language>sh|python)\n(?P<text>.*?)^```$", re.M | re.S)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PROGRAMS = ("visionkit ", "python recipes/", "python benchmarks/")


class Block(NamedTuple):
    """A block of code: its language, its text, and why it is not run (None if it is)."""

    language: str
    text: str
    reason: str | None

    @property
    def commands(self) -> list[list[str]]:
        """The command lines of a block of sh, as words; && and comments are left out."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "sh" else []
        words = [shlex.split(part, comments=True) for line in lines for part in line.split(" && ")]
        return [each for each in words if each]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    """The blocks of sh and Python of a page."""
    return [Block(found["language"], found["text"], found["reason"]) for found in FENCE.finditer(text)]


def without_fences(text: str) -> str:
    """The text of a page without any blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def inline_code(text: str) -> list[str]:
    """The code within sentences and tables; in a table \\| stands for |."""
    return [found.replace("\\|", "|") for found in INLINE.findall(without_fences(text))]


def commands(text: str) -> list[list[str]]:
    """All command lines of visionkit on a page, in blocks and within sentences, as words."""
    in_blocks = [words for block in blocks(text) for words in block.commands]
    inline = [shlex.split(code) for code in inline_code(text) if code.startswith(PROGRAMS) and "..." not in code]
    return [words for words in in_blocks + inline if " ".join(words).startswith(PROGRAMS)]
