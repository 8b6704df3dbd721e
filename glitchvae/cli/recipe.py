"""List, copy and run the shipped recipes: whole pieces of work in one short program."""

from __future__ import annotations

from pathlib import Path

import rich_click as click


@click.group()
def command() -> None:
    """List, copy and run the shipped recipes: whole pieces of work in one short program."""


@command.command("list")
def list_shipped() -> None:
    """One line per recipe."""
    from glitchvae.recipes import list_recipes

    recipes = list_recipes()
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        click.echo(f"{recipe.name:<{width}}  {recipe.summary}")


@command.command()
@click.argument("name")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path(), show_default="here"
)
def copy(name: str, output: Path) -> None:
    """Copy the program and the settings of NAME, to be changed."""
    from glitchvae.recipes import copy_recipe, find_recipe

    recipe = copy_recipe(find_recipe(name), output)
    click.echo(f"{recipe.place}\n{recipe.config}")


@command.command()
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of results.  [NAME]")
@click.option(
    "--config",
    metavar="FILE",
    help="Settings other than the recipe's own: a file, or the name of another that it ships.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, as in its file: budget=1.5, study.seeds=1; give it again for more.",
)
@click.option(
    "--tiny",
    is_flag=True,
    help="Rehearse on simulated data, in about a minute, into a folder of its own; every table and "
    "figure is marked as no result.",
)
def run(
    name: str, output: Path | None, config: str | None, changes: tuple[str, ...], tiny: bool
) -> None:
    """Run the recipe NAME: a shipped one, or the path of a copy's program."""
    from glitchvae.recipes import find_recipe, run_recipe

    recipe = find_recipe(name)
    run_recipe(recipe, output or Path(recipe.name), config=config, changes=changes, tiny=tiny)
