"""The command schema."""

from __future__ import annotations

import click

from mlspec.cli.console import examples

FILE = "mlspec.v1.schema.json"


@click.command(
    "schema",
    epilog=examples(
        ("mlspec schema > mlspec.schema.json", "keep a copy for an editor"),
        ("mlspec schema --path", "where the file lies"),
    ),
)
@click.option("--path", "show_path", is_flag=True, help="Print the path of the file instead.")
def command(show_path: bool) -> int:
    """Print the JSON Schema (draft-07) of mlspec.yaml, which gives editors completion and hints.

    An editor with the YAML language server reads it from a comment in the first line of a spec:
    # yaml-language-server: $schema=PATH
    """
    from mlspec.resources import schemas_root

    file = schemas_root() / FILE
    click.echo(str(file) if show_path else file.read_bytes(), nl=show_path)
    return 0
