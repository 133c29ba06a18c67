"""What can be wrong with the text of a spec, before it is data: the codes of the families E0 and E1."""

from __future__ import annotations

from mlspec.diagnostics import Found, code
from mlspec.location import Mark, Site

Sites = tuple[tuple[Site, str], ...]


@code("MLS-E001", "empty-spec")
def empty_spec(mark: Mark) -> Found:
    """A spec holds at least apiVersion, name and owner.

    A file that is empty, or holds nothing but comments or ``null``, says nothing about a project. Let ``mlspec init``
    write a first spec.

    Bad::

        # to be written

    Good::

        apiVersion: mlspec.dev/v1
        name: iris
        owner: {team: ml-platform}
    """
    return Found((), "the spec is empty", "write a first spec with `mlspec init`", mark=mark)


@code("MLS-E002", "not-a-map")
def not_a_map(mark: Mark, found: str) -> Found:
    """The top of a spec is a map of sections.

    What stands at the top must be ``key: value`` lines; a list, or a text alone, is no spec.

    Bad::

        - apiVersion: mlspec.dev/v1
          name: iris

    Good::

        apiVersion: mlspec.dev/v1
        name: iris
        owner: {team: ml-platform}
    """
    return Found(
        (),
        f"the spec is {found}; expected a map",
        "begin with `apiVersion: mlspec.dev/v1`, or let `mlspec init` write a first spec",
        mark=mark,
    )


@code("MLS-E003", "file-too-large")
def too_large(mark: Mark, size: int) -> Found:
    """A spec has at most 5 MiB.

    The bound keeps a mistaken or hostile file from using the time and memory of a build. A spec of ten thousand models
    takes less than half of it.

    Bad (shell)::

        head -c 6000000 /dev/zero | tr '\\0' '#' > mlspec.yaml

    Good::

        vars: {note: small}
    """
    return Found(
        (),
        f"the file has {size:,} bytes or more; at most 5 MiB (5,242,880) are read",
        "split the project, or move data out of the spec",
        mark=mark,
    )


@code("MLS-E004", "not-utf8")
def not_utf8(mark: Mark, offset: int, line: int, guess: str) -> Found:
    """A spec is UTF-8 text.

    Files that an editor saved in UTF-16, Latin-1 or Windows-1252 read differently from one machine to the next. A
    UTF-8 byte order mark is accepted; ``mlspec fmt`` takes it away.

    Bad (shell)::

        printf 'name: caf\\351\\n' > mlspec.yaml

    Good::

        vars: {place: café}
    """
    return Found((), f"byte {offset} (line {line}) is not UTF-8; the file looks like {guess}", "save the file as UTF-8", mark=mark)


@code("MLS-E005", "scalar-too-long")
def scalar_too_long(mark: Mark, size: int) -> Found:
    """One value has at most 256 KiB.

    No field of the language needs more, and no Kubernetes object could hold it.

    Bad (shell)::

        { printf 'description: '; head -c 300000 /dev/zero | tr '\\0' 'x'; } > mlspec.yaml

    Good::

        description: Short and to the point.
    """
    return Found(
        (),
        f"this value has {size:,} bytes; at most 256 KiB (262,144) fit",
        "put long text into a file of its own and name the file",
        mark=mark,
    )


@code("MLS-E006", "lfs-pointer")
def lfs_pointer(mark: Mark) -> Found:
    """A spec is the file itself, not the pointer that Git LFS keeps in its place.

    With Git LFS a commit holds three lines that name the content, which lies elsewhere. A clone without git lfs, or a job
    that did not fetch (lfs: true of actions/checkout), has these lines alone; so has `mlspec commit`, which reads commits
    and runs no filter. A spec is small text that people review: it does not belong in LFS.

    Bad (shell)::

        printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 123\\n' 0 > mlspec.yaml

    Good::

        vars: {note: the file itself}
    """
    way = "take it out of LFS (git lfs migrate export --include=PATH), or fetch it first: git lfs pull"
    return Found((), "this is a pointer of Git LFS, not the file itself", way, mark=mark)


@code("MLS-E101", "not-yaml")
def not_yaml(mark: Mark, message: str, way: str = "", related: Sites = ()) -> Found:
    """The text must be YAML.

    The reader stops at the place where the text is no longer YAML. Often the cause stands a line above it.

    Bad::

        owner: {team: ml-platform, , email: a@b.example}

    Good::

        owner: {team: ml-platform, email: a@b.example}
    """
    return Found((), message, way, mark=mark, related_sites=related)


@code("MLS-E102", "forbidden-character")
def forbidden_character(mark: Mark, name: str, character: str) -> Found:
    """A spec holds no control characters and no characters that hide or reorder text.

    Control characters, bidirectional controls and zero-width characters make a file read differently to a person than to
    a program (CVE-2021-42574). Where such a character is meant, write its escape in double quotes. Lines end with LF or
    CRLF. The joiners U+200C and U+200D are allowed: some scripts need them.

    Bad (shell)::

        printf 'description: "a\\342\\200\\256b"\\n' > mlspec.yaml

    Good::

        description: "a\\u202Eb"
    """
    if character == "\r":
        return Found(
            (),
            f"{name} without a line feed; expected lines that end with LF or CRLF",
            "run `mlspec fmt`, or save with Unix line ends",
            mark=mark,
        )
    escape = f"\\u{ord(character):04X}" if ord(character) < 0x10000 else f"\\U{ord(character):08X}"
    way = "delete it" if character in "\0\ufeff" else f"delete it, or write {escape} inside double quotes"
    return Found((), f"{name} is not allowed in a spec", way, mark=mark)


@code("MLS-W101", "hidden-character-in-comment", severity="warning")
def hidden_in_comment(mark: Mark, name: str) -> Found:
    """A comment holds no characters that hide or reorder text.

    They do not change what mlspec reads, but they can make a reviewer see another file than the one that is compiled.

    Bad (shell)::

        printf 'vars: {a: b} # a\\342\\200\\256b\\n' > mlspec.yaml

    Good::

        vars: {a: b} # a b
    """
    return Found((), f"this comment holds {name}, which can hide or reorder text", "delete it", mark=mark)


@code("MLS-E103", "duplicate-key")
def duplicate_key(mark: Mark, key: str, first: Site) -> Found:
    """A key stands once in a map.

    Of two values for one key, one would be lost in silence.

    Bad::

        vars: {bucket: a, bucket: b}

    Good::

        vars: {bucket: a}
    """
    return Found(
        (),
        f"the key `{_short(key)}` is written twice in this map",
        "delete or rename one of the two",
        mark=mark,
        related_sites=((first, "first written here"),),
    )


@code("MLS-E104", "key-not-text")
def key_not_text(mark: Mark, found: str, way: str) -> Found:
    """A key is text.

    ``true``, ``null`` and numbers as keys, and maps or lists as keys, mean different things to different readers. Quote
    the key to make it text.

    Bad::

        vars: {1: one}

    Good::

        vars: {"one": one}
    """
    return Found((), f"this key is {found}; expected text", way, mark=mark)


@code("MLS-E105", "tag")
def tag(mark: Mark, name: str) -> Found:
    """A spec holds no YAML tags.

    Tags (``!!python/object``, ``!!int``, ``!Ref``) ask a reader to build other objects than plain data. mlspec builds
    plain data only; the type of a value is that of its field.

    Bad::

        vars: {count: !!int "3"}

    Good::

        vars: {count: 3}
    """
    return Found((), f"the tag `{_short(name)}` is not allowed; values are plain data", "delete the tag", mark=mark)


@code("MLS-E106", "directive")
def directive(mark: Mark) -> Found:
    """A spec holds no YAML directives.

    ``%YAML`` and ``%TAG`` change how the rest of the file reads. A spec always reads as YAML 1.2.

    Bad::

        %YAML 1.1
        ---
        name: iris

    Good::

        vars: {a: b}
    """
    return Found((), "a YAML directive is not allowed", "delete this line", mark=mark)


@code("MLS-E107", "second-document")
def second_document(mark: Mark) -> Found:
    """A file holds one document.

    Bad::

        name: iris
        ---
        name: lilies

    Good::

        vars: {a: b}
    """
    return Found(
        (), "a second document begins here; expected one document in a file", "move it to a spec of its own, in another folder", mark=mark
    )


@code("MLS-E108", "unknown-alias")
def unknown_alias(mark: Mark, name: str, near: str | None) -> Found:
    """An alias names an anchor that stands above it in the same file.

    Anchors do not reach across files: what several specs share belongs in a file that they extend.

    Bad::

        vars: {a: *common}

    Good::

        vars: {b: &common x, a: *common}
    """
    way = f"write `*{near}`" if near else f"write `&{name}` before the value that is meant, or quote the text if no alias is meant"
    return Found((), f"no anchor `&{name}` stands above this alias", way, mark=mark)


@code("MLS-E109", "self-alias")
def self_alias(mark: Mark, name: str, anchor: Site) -> Found:
    """An alias may not stand inside the value that it names.

    Bad::

        vars: &vars {again: *vars}

    Good::

        vars: {a: b}
    """
    return Found(
        (),
        f"the alias `*{name}` stands inside the value that it names",
        "name another value, or write it out",
        mark=mark,
        related_sites=((anchor, "the anchor"),),
    )


@code("MLS-E110", "duplicate-anchor")
def duplicate_anchor(mark: Mark, name: str, first: Site) -> Found:
    """An anchor is defined once.

    Bad::

        vars: {a: &x 1, b: &x 2, c: *x}

    Good::

        vars: {a: &x 1, b: &y 2, c: *x}
    """
    return Found(
        (),
        f"the anchor `&{name}` is defined twice",
        "give one of the two another name",
        mark=mark,
        related_sites=((first, "first defined here"),),
    )


@code("MLS-E111", "merge-key")
def merge_key(mark: Mark, found: str) -> Found:
    """A merge key takes an alias of a map, or a list of such aliases.

    ``<<: *base`` takes over the keys of the map ``&base`` that are not written beside it.

    Bad::

        vars: {<<: {a: b}}

    Good::

        owner: &base {team: growth}
        vars: {<<: *base}
    """
    return Found(
        (),
        f"the merge key `<<` got {found}; expected an alias of a map (`*name`) or a list of them",
        "write the keys out, or merge an anchored map",
        mark=mark,
    )


@code("MLS-E112", "too-deep")
def too_deep(mark: Mark) -> Found:
    """Maps and lists stand at most 64 levels inside one another.

    Bad (shell)::

        printf 'vars: %s%s\\n' "$(printf '[%.0s' $(seq 70))" "$(printf ']%.0s' $(seq 70))" > mlspec.yaml

    Good::

        vars: {a: b}
    """
    return Found((), "maps and lists stand more than 64 levels deep here", "write it flatter; is a bracket not closed above?", mark=mark)


@code("MLS-E113", "too-many-values")
def too_many_values(mark: Mark, alias: bool) -> Found:
    """A file holds at most 200,000 values, counted after its aliases are expanded.

    An alias counts as much as what it names, so a few lines of aliases of aliases cannot become millions of values.

    Bad::

        vars:
          a: &a [x, x, x, x, x, x, x, x, x, x]
          b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
          c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
          d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
          e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
          f: [*e, *e, *e]

    Good::

        vars: {a: &a x, b: *a}
    """
    what = "with this alias expanded" if alias else "with this value"
    return Found(
        (),
        f"{what} the file holds more than 200,000 values",
        "write less by alias, or split the project" if alias else "split the project",
        mark=mark,
    )


@code("MLS-E114", "tab-indent")
def tab_indent(mark: Mark) -> Found:
    """Lines are indented with spaces.

    YAML does not allow tabs in the indentation, because their width is a matter of opinion.

    Bad (shell)::

        printf 'owner:\\n\\tteam: ml-platform\\n' > mlspec.yaml

    Good::

        owner:
          team: ml-platform
    """
    return Found((), "a tab in the indentation; expected spaces", "indent with two spaces", mark=mark)


@code("MLS-E115", "unclosed-quote")
def unclosed_quote(mark: Mark, quote: str) -> Found:
    """A quote that is opened is closed.

    Bad::

        description: "Predicts which subscribers cancel.

    Good::

        description: "Predicts which subscribers cancel."
    """
    return Found(
        (),
        f"this quote is not closed; expected a second {quote}",
        f"close it with {quote} (inside single quotes, '' stands for one quote)",
        mark=mark,
    )


@code("MLS-E116", "unclosed-bracket")
def unclosed_bracket(mark: Mark, bracket: str, closing: str, related: Sites = ()) -> Found:
    """A bracket that is opened is closed.

    Bad::

        owner: {team: ml-platform
        vars: {a: b}

    Good::

        owner: {team: ml-platform}
        vars: {a: b}
    """
    return Found((), f"this {bracket} is not closed; expected {closing}", f"close it with {closing}", mark=mark, related_sites=related)


@code("MLS-E117", "unopened-bracket")
def unopened_bracket(mark: Mark, bracket: str) -> Found:
    """A bracket that is closed was opened.

    Bad::

        vars: {a: b}}

    Good::

        vars: {a: b}
    """
    return Found(
        (), f"this {bracket} closes nothing", "delete it, or open the bracket; quote the value if the bracket is part of it", mark=mark
    )


@code("MLS-E118", "conflict-marker")
def conflict_marker(mark: Mark, marker: str) -> Found:
    """A spec holds no merge conflict markers of git.

    Bad (shell)::

        printf '<<<<<<< HEAD\\nname: iris\\n=======\\nname: lily\\n>>>>>>> theirs\\n' > mlspec.yaml

    Good::

        vars: {a: b}
    """
    return Found((), f"a merge conflict was left here (`{marker}`)", "choose a side and delete the marker lines", mark=mark)


@code("MLS-E119", "missing-space")
def missing_space(mark: Mark, key: str, value: str) -> Found:
    """A colon between key and value has a space behind it.

    Without the space, YAML reads key, colon and value as one text.

    Bad::

        apiVersion:mlspec.dev/v1
        name: iris

    Good::

        vars: {a: b}
    """
    return Found((), "a space is missing after the colon", f"write `{_short(key)}: {_short(value)}`", mark=mark)


@code("MLS-E120", "template-braces")
def template_braces(mark: Mark, braces: str) -> Found:
    """A spec is no template: a value that begins with braces is quoted.

    An unquoted ``{`` opens a map, and ``%`` begins nothing that YAML knows. References to other parts of the spec are
    written ``${vars.name}``.

    Bad::

        vars: {}
        description: {{ project }}

    Good::

        vars: {project: churn}
        description: "About ${vars.project}"
    """
    return Found(
        (),
        f"this value begins with `{braces}`, which opens a map in YAML",
        "quote the value; to refer to another part of the spec, write `${vars.name}`",
        mark=mark,
    )


@code("MLS-E121", "indentation")
def indentation(mark: Mark, message: str, way: str, related: Sites = ()) -> Found:
    """The keys of a map, and the items of a list, begin in the same column.

    Bad::

        owner:
          team: ml-platform
         email: a@b.example

    Good::

        owner:
          team: ml-platform
          email: a@b.example
    """
    return Found((), message, way, mark=mark, related_sites=related)


@code("MLS-E122", "unknown-escape")
def unknown_escape(mark: Mark, escape: str, message: str, way: str) -> Found:
    r"""An escape in double quotes is one that YAML knows, and names a character that text may hold.

    Any character may be named but NUL and surrogates. In a pattern or a Windows path, use single quotes: nothing is
    escaped there.

    Bad::

        description: "\d+"

    Good::

        description: '\d+'
    """
    return Found((), message.format(escape=escape), way, mark=mark)


@code("MLS-E123", "unquoted-value")
def unquoted_value(mark: Mark, message: str, way: str) -> Found:
    """A value that begins with a sign of YAML, or holds one, is quoted.

    A value may not begin with ``@``, a backtick, ``%``, ``&``, ``*``, ``!``, ``|`` or ``>`` unless it is meant as YAML, and
    holds no colon followed by a space.

    Bad::

        description: @churn predicts: who leaves

    Good::

        description: "@churn predicts: who leaves"
    """
    return Found((), message, way, mark=mark)


@code("MLS-E124", "text-after-value")
def text_after_value(mark: Mark, what: str, way: str, related: Sites = ()) -> Found:
    """Nothing follows a quoted text or a closed bracket on its line.

    Bad::

        description: "Churn" model

    Good::

        description: '"Churn" model'
    """
    return Found((), f"text follows {what}", way, mark=mark, related_sites=related)


@code("MLS-E125", "no-key")
def no_key(mark: Mark, message: str, way: str) -> Found:
    """A line of a map is a key, a colon, and a value.

    Bad::

        name: iris
        just some words
        vars: {a: b}

    Good::

        vars: {a: b}
    """
    return Found((), message, way, mark=mark)


@code("MLS-E126", "missing-comma")
def missing_comma(mark: Mark, closing: str, opening: Site) -> Found:
    """Commas stand between the items inside brackets.

    Bad::

        vars: {a: "b" c: "d"}

    Good::

        vars: {a: "b", c: "d"}
    """
    return Found(
        (),
        f"expected a comma or {closing} here",
        "put a comma between the items",
        mark=mark,
        related_sites=((opening, "the bracket opens here"),),
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
