"""The command completion."""

from __future__ import annotations

import click

from mlspec.cli.console import examples


@click.command(
    "completion",
    epilog=examples(
        ('eval "$(mlspec completion bash)"', "in ~/.bashrc"),
        ('eval "$(mlspec completion zsh)"', "in ~/.zshrc"),
        ("mlspec completion fish > ~/.config/fish/completions/mlspec.fish", "once"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the script that makes SHELL complete commands, options and paths."""
    from click.shell_completion import get_completion_class

    from mlspec.cli import program

    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(completion(program, {}, "mlspec", "_MLSPEC_COMPLETE").source())
    return 0
