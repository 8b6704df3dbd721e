"""The command line: one file per command, imported only when it is called."""

from __future__ import annotations

import importlib
import pkgutil
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import rich_click as click
from click.shell_completion import CompletionItem

from glitchvae import __version__
from glitchvae.errors import GlitchvaeError


class LazyGroup(click.RichGroup):
    """Command group made of the modules of this package without a leading underscore.

    A module `discover_new_classes` holds the command `discover-new-classes` as its
    attribute `command`. The first line of its docstring is shown in listings, read
    without importing it, so that `--help` and a shell's Tab answer at once.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, from the files beside this one."""
        names = [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
        return sorted(name.replace("_", "-") for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, or only its summary where all commands are being listed."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = cmd_name.replace("-", "_")
        if getattr(ctx, "listing", False):
            return click.Command(cmd_name, short_help=_summary(module), help=_summary(module))
        from glitchvae.cli._manners import with_manners

        command = with_manners(importlib.import_module(f"{__name__}.{module}").command)
        command.name = cmd_name  # each is a function `command` of its module
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; of an unknown name the nearest is named, as for options."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], self.list_commands(ctx), n=3)
            if not close:
                raise
            meant = " or ".join(map(repr, close))
            raise click.UsageError(f"{error.message} (Did you mean {meant}?)", ctx) from error

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """List summaries without importing the commands."""
        ctx.listing = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands without importing the commands.

        What follows a command's name is completed by the command itself, which
        `get_command` imports.
        """
        ctx.listing = True
        return super().shell_complete(ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a user error becomes one line, Ctrl-C exit status 130."""
        try:
            return super().invoke(ctx)
        except GlitchvaeError as error:
            # One line without a box, so that a scheduler's log can be searched for it.
            click.echo(f"Error: {error}", err=True)
            ctx.exit(3)  # nothing could be done
        except KeyboardInterrupt:
            click.echo("Interrupted; finished work is kept.", err=True)
            ctx.exit(130)


def _summary(module: str) -> str:
    source = (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    return source.split('"""')[1].splitlines()[0]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="glitchvae")
def main() -> None:
    """Find, embed, classify and discover classes of glitches in gravitational-wave strain."""
