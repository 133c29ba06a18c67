"""Pages keep their word: links lead somewhere, commands exist, the README's example compiles to the files that it lists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from mlspec.cli import COMMANDS
from mlspec.cli import program as PROGRAM  # noqa: N812
from pages import DOCS, ROOT, Shell, blocks, pages, runs

PAGES = [page.relative_to(ROOT).as_posix() for page in pages()]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[|;&(] *)mlspec ([a-z][a-z-]*)(?: ([a-z]+))?")
FORBIDDEN = [r"/work\b", r"/tmp/v\b", r"/root\b", r"\bpypi\.org", r"\bproxy\.golang", r"\bregistry\.npmjs", r"\bfiles\.pythonhosted"]


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def without_blocks(text: str) -> str:
    for block in reversed(blocks(text)):
        text = text[: block.start] + text[block.end :]
    return text


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", without_blocks(text))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    for link in LINK.findall(without_code(text_of(page))):
        if "://" in link or link.startswith(("#", "mailto:")):
            continue
        assert (folder / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_anchors_are_headings(page: str) -> None:
    for link in LINK.findall(without_code(text_of(page))):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if "://" in link or not anchor or target.suffix != ".md":
            continue
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page: str) -> None:
    context = click.Context(PROGRAM)
    text = text_of(page)
    inline = re.findall(r"`([^`\n]+)`", without_blocks(text))
    shown = [run.command for block in blocks(text) if block.language == "console" for run in runs(block)]
    for code in [*inline, *shown]:
        for name, sub in COMMAND.findall(code):
            command = PROGRAM.get_command(context, name)
            assert command is not None, f"mlspec {name}"
            if isinstance(command, click.Group) and sub:
                assert sub in command.commands, f"mlspec {name} {sub}"


@pytest.mark.parametrize("page", PAGES)
def test_nothing_of_one_machine(page: str) -> None:
    for word in FORBIDDEN:
        assert not re.search(word, text_of(page)), word


def help_examples() -> list[tuple[str, ...]]:
    """Return the commands of every example of a help page, as words."""
    context = click.Context(PROGRAM)
    found = []

    def collect(command: click.Command) -> None:
        for line in (command.epilog or "").splitlines():
            written = re.match(r"  (mlspec .+?)(?:  .*)?$", line)
            if written:
                found.append(tuple(shlex.split(written[1].partition(" >")[0])[1:]))
        for inner in getattr(command, "commands", {}).values():
            collect(inner)

    collect(PROGRAM)
    for name in COMMANDS:
        command = PROGRAM.get_command(context, name)
        assert command is not None
        collect(command)
    return sorted(set(found))


@pytest.mark.parametrize("words", help_examples(), ids=" ".join)
def test_examples_of_help_parse(words, tmp_path, monkeypatch):
    """Click takes the options and arguments, with the files there that the example names."""
    monkeypatch.chdir(tmp_path)
    words = tuple(word.replace("/tmp/", f"{tmp_path}/") for word in words)
    for word in words:
        path = Path(word.partition(":")[0])
        if "/" in word and "://" not in word and words[0] != "init":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix in {".yaml", ".j2"} else path.mkdir(exist_ok=True)
    command: click.Command | None = PROGRAM
    rest = list(words)
    context = click.Context(PROGRAM, info_name="mlspec")
    while isinstance(command, click.Group):
        command = command.get_command(context, rest.pop(0))
    assert command is not None
    command.make_context(words[0], rest, parent=context, resilient_parsing=False)


def test_the_example_of_the_readme(tmp_path: Path) -> None:
    text = text_of("README.md")
    spec = next(block for block in blocks(text) if block.language == "yaml")
    run = next(run for block in blocks(text) if block.language == "console" for run in runs(block) if run.command == "mlspec compile")
    shell = Shell(tmp_path)
    shell.run("git init --quiet .")
    (shell.folder / "mlspec.yaml").write_text(spec.text)
    said = shell.run("mlspec compile")
    shown, _, listed = run.shown.partition("\n\n")
    assert said == shown + "\n"
    made = {file.relative_to(shell.folder).as_posix() for file in shell.folder.rglob("*") if file.is_file() and ".git" not in file.parts}
    assert {line.split()[0] for line in listed.splitlines()} == made - {"mlspec.yaml"}
    kinds = re.findall(r"^kind: (\w+)", (shell.folder / "deploy/iris/default/serving-iris.yaml").read_text(), re.MULTILINE)
    assert ", ".join(kinds) in listed


def test_the_formats_and_exits_of_the_readme() -> None:
    from mlspec.cli.console import FORMATS

    assert "|".join(FORMATS) in text_of("README.md")


def test_every_command_stands_in_the_readme() -> None:
    for name in COMMANDS:
        assert f"`mlspec {name}" in text_of("README.md"), name


def test_every_decision_is_listed() -> None:
    listed = text_of("docs/decisions/README.md")
    for page in (DOCS / "decisions").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in listed, page.name
