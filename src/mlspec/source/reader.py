"""From bytes to a document: plain data, a mark for each part of it, and what is wrong with the text."""

from __future__ import annotations

from typing import Any

from mlspec.diagnostics import Diagnostic, Finding, Rejected, diagnose
from mlspec.location import Mark, SourceText
from mlspec.source import faults, limits
from mlspec.source.comments import Comment, find_comments
from mlspec.source.composer import Composer, Stopped, rejected
from mlspec.source.text import decode, find_hidden, find_refused, is_ordinary, name_character

_POINTER = b"version https://git-lfs.github.com/spec/v1\n"


class Document:
    """One file that was read: its text, its data, and the marks of the data.

    Values that aliases name are shared, not copied: a tree must not be edited in place. The mark of an alias is the place
    of the alias, its children are those of the value it names. A key that a merge key brought has the mark of the map
    that it came from.
    """

    __slots__ = ("findings", "mark", "text", "tree")

    def __init__(self, text: SourceText, tree: dict[str, Any], mark: Mark, findings: tuple[Diagnostic, ...]) -> None:
        self.text, self.tree, self.mark, self.findings = text, tree, mark, findings
        """``findings`` are warnings about the text; faults are raised."""

    @property
    def comments(self) -> list[Comment]:
        """The comments of the file, found anew each time."""
        return find_comments(self.text)

    def source_of(self, mark: Mark) -> str:
        """Return the text of a value as it is written, quotes included."""
        return source_of(mark)

    def plain(self, mark: Mark) -> bool:
        """Tell whether a scalar is written without quotes and is no block of text."""
        return is_plain(mark)


def source_of(mark: Mark) -> str:
    """Return the text of a value as it is written, quotes included."""
    return mark.text.text[mark.start : mark.end]


def is_plain(mark: Mark) -> bool:
    """Tell whether a scalar is written without quotes and is no block of text."""
    return mark.text.text[mark.start : mark.start + 1] not in {'"', "'", "|", ">"} if mark.start < mark.end else True


def read(data: bytes, file: str, why: str = "written") -> Document:
    """Read a spec. ``file`` is the name that people know it by, ``why`` is what its marks say.

    Raises Rejected with every fault of the text that can be found (at most 100), and nothing else, whatever the bytes.
    """
    source = decode(data, file)
    if data.startswith(_POINTER):
        raise rejected([faults.lfs_pointer(Mark(source, 0, source.text.find("\n")))], source)
    ordinary = is_ordinary(data)
    found: list[Finding] = []
    if not ordinary:
        for finding in find_refused(source):
            found.append(finding)
            if len(found) >= limits.FAULTS:
                break
        if found:
            raise rejected(found, source)
    hidden_faults, warnings = ([], ()) if ordinary else _judge_hidden(source)
    composer = Composer(source, why)
    composed = None
    try:
        composed = composer.compose()
    except Stopped as stopped:
        found.append(stopped.finding)
    except MemoryError:
        found.append(
            faults.not_yaml(Mark(source, composer.token_end, composer.token_end), "there is not enough memory to read on from here")
        )
    except Exception as error:
        from mlspec.source.syntax import explain

        found += explain(error, source, composer.token_end)
    found = hidden_faults + composer.findings + found
    if found:
        raise rejected(found, source)
    return _check_top(source, composed, warnings)


def _check_top(source: SourceText, composed: tuple[Any, Mark] | None, warnings: tuple[Diagnostic, ...]) -> Document:
    tree, mark = composed if composed is not None else (None, Mark(source, 0, 0))
    if isinstance(tree, dict):
        if tree:
            return Document(source, tree, mark, warnings)
        raise rejected([faults.empty_spec(mark)], source)
    if tree is None:
        raise rejected([faults.empty_spec(Mark(source, 0, 0))], source)
    what = "a list" if isinstance(tree, list) else "one text" if isinstance(tree, str) else "a single value"
    raise rejected([faults.not_a_map(Mark(source, mark.start, min(mark.end, mark.start + 1)), what)], source)


def _judge_hidden(source: SourceText) -> tuple[list[Finding], tuple[Diagnostic, ...]]:
    """Sort characters that hide or reorder text: faults in data, warnings in comments."""
    offsets = find_hidden(source)
    if not offsets:
        return [], ()
    comments = find_comments(source)
    errors: list[Finding] = []
    warnings: list[Diagnostic] = []
    for offset in offsets[: limits.FAULTS]:
        character = source.text[offset]
        mark = Mark(source, offset, offset + 1)
        if any(comment.start <= offset < comment.end for comment in comments):
            warnings.append(diagnose(faults.hidden_in_comment(mark, name_character(character)), mark))
        else:
            errors.append(faults.forbidden_character(mark, name_character(character), character))
    return errors, tuple(warnings)


__all__ = ["Document", "Rejected", "is_plain", "read", "source_of"]
