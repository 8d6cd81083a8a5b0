"""A hook of MkDocs: the pages of the site that do not lie in docs/, so that each text exists once and works on GitHub, too.

The README is the first page; the cards of saved_models/ and the files at the root that pages link to are pages, too.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "saved_models/*/README.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            target = {"README.md": "index.md", "LICENSE": "LICENSE.txt"}.get(name, name)
            files.append(File.generated(config, target, content=linked(name, path.read_text(encoding="utf-8"))))
    return files


def on_page_markdown(markdown: str, page: object, **_: object) -> str:
    """Links that lead out of docs/ lead to the page that the file has on the site."""
    depth = page.file.src_uri.count("/")
    return re.sub(r"\]\((?:\.\./)" + "{" + str(depth + 1) + r"}(?!\.\.)([^)]+)\)", rf"]({'../' * depth}\1)", markdown)


def on_page_content(html: str, **_: object) -> str:
    """Mark options within sentences and tables: the style sheet keeps browsers from breaking them at hyphens."""
    return re.sub(r"(?<!</span>)<code>([^<]*--[^<]*)</code>", lambda code: f"<code>{_with_options(code[1])}</code>", html)


def _with_options(code: str) -> str:
    return re.sub(r"(?<!\S)--[a-z][a-z-]*", r'<span class="option">\g<0></span>', code)


def linked(name: str, markdown: str) -> str:
    """The text of a file at the root: links into docs/ lead to the pages, and LICENSE has the name it gets on the site."""
    if name != "README.md":
        return markdown
    return markdown.replace("](docs/", "](").replace("](LICENSE)", "](LICENSE.txt)")
