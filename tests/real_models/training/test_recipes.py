"""The recipes that are shipped: each a configuration, of the published setting, with commands that exist."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from checkout import ROOT

import grasp_cli
from real_models.training.config import TrainConfig

RECIPES = sorted(Path(str(files("real_models") / "recipes")).glob("*.toml"))


def test_recipes_are_the_three_experiments():
    assert [path.stem for path in RECIPES] == ["bad_medical_advice", "financial_advice_lean", "insecure_code"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "recipes/*.toml" in project["tool"]["setuptools"]["package-data"]["real_models"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_has_the_published_setting(path):
    found = TrainConfig.read(path)
    assert (found.r, found.alpha, found.rslora, found.lr, found.epochs, found.steps) == (32, 64.0, True, 1e-5, 1.0, 0)
    assert {"o_proj", "down_proj"} <= set(found.target_modules)  # what identify reads and grasp constrains


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_names_commands_and_options_that_exist(path):
    import typer

    commands = typer.main.get_command(grasp_cli.app).commands  # pyright: ignore
    named = re.findall(r"^# +grasp (\w+)(.*)$", path.read_text(), re.MULTILINE)
    assert [name for name, _ in named if name in ("train", "identify", "linearity")]
    for name, rest in named:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", rest)) <= known, (name, rest)
