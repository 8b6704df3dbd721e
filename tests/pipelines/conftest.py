"""Tests of a study import its modules as `glitchvae_recipe_<name>`."""

from glitchvae.recipes import list_recipes, load_recipe

for recipe in list_recipes():
    if recipe.is_study:
        load_recipe(recipe)
