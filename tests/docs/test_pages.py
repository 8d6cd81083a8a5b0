"""What the documentation names exists: files, headings, commands, options, public names."""

import functools
import importlib
import inspect
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import (
    INLINE,
    PAGES,
    ROOT,
    blocks,
    commands,
    inline_code,
    name_of,
    text_of,
    without_fences,
)
from visionkit.cli import COMMANDS
from visionkit.command_line import flag_of, parse_options

train = importlib.import_module("visionkit.cli.train")
LINK = re.compile(r"\]\(([^)\s]+)\)")
LARGEST_IMAGE = 150_000  # bytes
WITH_OTHER_OPTIONS = ("coming_from.md", "benchmarks.md")  # those of other programs
API = ("data", "models", "layers", "losses", "metrics")


@functools.cache
def config_of(recipe: Path) -> type:
    return runpy.run_path(str(recipe))["Config"]


@functools.cache
def is_option(option: str) -> bool:
    """Whether a command or a recipe has an option."""
    nested = [each for command in COMMANDS.values() for each in (command.values() if isinstance(command, dict) else [command])]
    kinds = [config_of(train.recipe_file(name)) for name in train.RECIPES] + nested
    flags = {flag_of(name) for kind in kinds for name in inspect.signature(kind).parameters}
    return option.replace("--no-", "--", 1) in flags | {"--help", "--version"}


def anchors(text: str) -> set[str]:
    """The anchors that GitHub and MkDocs give the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", without_fences(text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def check(words: list[str]) -> None:
    """Parse a command line as visionkit does.

    Raises:
        UserError, SystemExit: an option is not known, or its value cannot be used.
    """
    program, first, *options = words
    if first in ("--help", "--version"):
        return
    if program == "python":
        file = ROOT / first
        assert file.is_file(), first
        if first.startswith("recipes/"):
            parse_options(config_of(file), first, options)
        return
    if first == "train":
        if options:
            parse_options(config_of(train.recipe_file(options[0])), f"visionkit train {options[0]}", options[1:])
        return
    command = COMMANDS[first]
    if isinstance(command, dict):
        if not options:
            return
        command = command[options.pop(0)]
    if "--help" not in options and options:
        parse_options(only_parsed(command), f"visionkit {first}", options)


def only_parsed(command: Callable) -> Callable:
    """A function that takes what a command takes, and does nothing."""

    @functools.wraps(command)
    def parsed(*_: object, **__: object) -> None: ...

    return parsed


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page):
    failed = []
    for words in commands(text_of(page)):
        try:
            check(words)
        except (Exception, SystemExit) as error:
            failed.append(f"{' '.join(words)}: {error!r}")
    assert not failed


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in WITH_OTHER_OPTIONS], ids=name_of)
def test_options_in_sentences_and_tables_exist(page):
    options = [re.match(r"--[a-z][a-z0-9-]+", code) for code in inline_code(text_of(page)) if "=" not in code]
    found = {option[0] for option in options if option}
    assert [option for option in sorted(found - {"--to"}) if not is_option(option)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_images_lead_somewhere(page):
    missing = []
    for link in LINK.findall(INLINE.sub("", without_fences(text_of(page)))):
        path, _, anchor = link.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and target.suffix == ".md" and anchor not in anchors(text_of(target))):
            missing.append(link)
    assert not missing


def test_every_page_is_in_the_navigation_and_every_image_is_used():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]
    assert [page for page in pages if page.relative_to(ROOT / "docs").as_posix() not in navigation] == []
    images = list((ROOT / "docs" / "images").iterdir())
    used = "\n".join(map(text_of, PAGES))
    assert [image.name for image in images if f"images/{image.name}" not in used] == []
    assert [image.name for image in images if image.stat().st_size > LARGEST_IMAGE] == []


def test_the_readme_is_short_and_names_the_two_commands():
    text = text_of(ROOT / "README.md")
    assert len(text.splitlines()) <= 200
    first = "python3.11 -m venv .venv && . .venv/bin/activate && pip install . && python recipes/transfer_learning.py"
    assert f"\n{first}\n" in text and "\npip install '.[test]' && pytest\n" in text


@pytest.mark.parametrize("package", API)
def test_the_api_pages_list_the_public_names(package):
    listed = re.findall(r"^::: (\S+)$", text_of(ROOT / "docs" / "api" / f"{package}.md"), re.M)
    names = importlib.import_module(f"visionkit.{package}").__all__
    assert sorted(name.rsplit(".", 1)[1] for name in listed) == sorted(names)
    for name in listed:
        module, _, attribute = name.rpartition(".")
        public = getattr(importlib.import_module(f"visionkit.{package}"), attribute)
        assert public is getattr(importlib.import_module(module), attribute)


def test_python_blocks_compile():
    for page in PAGES:
        for block in blocks(text_of(page)):
            if block.language == "python":
                compile(block.text, name_of(page), "exec")


def test_a_command_of_each_kind_is_refused_if_its_option_does_not_exist():
    assert blocks("") == [] and commands("") == [] and inline_code("") == []
    for text in ("`visionkit predict RUN/model a.jpg --drew x`", "```sh\nvisionkit train detection --epoch 3  # x\n```\n"):
        (words,) = commands(text)
        with pytest.raises(Exception, match="has no option"):
            check(words)
