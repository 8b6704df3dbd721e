"""List, copy and run the shipped recipes, which are short programs for complete tasks."""

from __future__ import annotations

from pathlib import Path

import rich_click as click


@click.group()
def command() -> None:
    """List, copy and run the shipped recipes, which are short programs for complete tasks."""


@command.command("list")
def list_shipped() -> None:
    """List the shipped recipes, one line each."""
    from glitchvae.recipes import list_recipes

    recipes = list_recipes()
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        click.echo(f"{recipe.name:<{width}}  {recipe.summary}")


@command.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="here",
    help="Folder for the copy.",
)
def copy(name: str, output: Path) -> None:
    """Copy program and settings of the recipe NAME, to be changed."""
    from glitchvae.recipes import copy_recipe, find_recipe

    recipe = copy_recipe(find_recipe(name), output)
    click.echo(f"{recipe.place}\n{recipe.config}")


@command.command()
@click.argument("name")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Folder of the results. [default: NAME]"
)
@click.option(
    "--config",
    metavar="FILE",
    help="Settings file to use instead of the recipe's own, or the name of another one "
    "that the recipe ships.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Setting to change, as KEY=VALUE in terms of the settings file, such as "
    "budget=1.5 or study.seeds=1. Repeatable.",
)
@click.option(
    "--tiny",
    is_flag=True,
    help="Rehearse on simulated data in about a minute, in a separate folder; every table "
    "and figure is marked as not a result.",
)
def run(
    name: str, output: Path | None, config: str | None, changes: tuple[str, ...], tiny: bool
) -> None:
    """Run the recipe NAME: a shipped one, or the path of a copied program."""
    from glitchvae.recipes import find_recipe, run_recipe

    recipe = find_recipe(name)
    run_recipe(recipe, output or Path(recipe.name), config=config, changes=changes, tiny=tiny)
