"""Recipes: shipped programs for complete tasks, to be run, copied and rehearsed."""

from glitchvae.recipes.running import (
    Recipe,
    Row,
    change_settings,
    copy_recipe,
    find_files,
    find_recipe,
    list_recipes,
    load_main,
    load_recipe,
    plain,
    read_settings,
    run_recipe,
    show,
)

__all__ = [
    "Recipe",
    "Row",
    "change_settings",
    "copy_recipe",
    "find_files",
    "find_recipe",
    "list_recipes",
    "load_main",
    "load_recipe",
    "plain",
    "read_settings",
    "run_recipe",
    "show",
]
