"""The wheel: what is in it, and that it does what the design says a user types, away from the repository."""

from __future__ import annotations

import json
import os
import re
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from checkout import ROOMS, python
from made_files import BASE
from planted import saved
from tolerance import GUARANTEE

pytestmark = pytest.mark.slow
LARGEST = 10**6

LIBRARY = """
import json, sys, warnings
from importlib import import_module

from grasp_theory.moved import MOVED, NAMES  # names of 0.1, first: nothing else is imported yet
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for old, new in MOVED.items():
        module, today = import_module(old), import_module(new)
        assert module is today and module.__spec__.name == new, old
    told = sum("the old name goes" in str(w.message) and w.category is DeprecationWarning for w in warned)
    for module, names in NAMES.items():
        for name in names.split():
            assert hasattr(import_module("grasp_theory"), name), name
try:
    import_module("grasp_theory.never_was")
except ModuleNotFoundError as error:
    gone = str(error)

from real_models import read_adapter
from grasp_theory import identify
adapter = read_adapter("path/to/peft-adapter")
report = identify(adapter.updates, side="auto")
subspace = report.component(0).subspace

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM
from real_models import updates_from_model
from real_models.methods import Grasp

SIZES = {"vocab_size": 40, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}

def fresh():
    torch.manual_seed(0)
    return get_peft_model(LlamaForCausalLM(LlamaConfig(**SIZES)), LoraConfig(r=4, target_modules="all-linear"))

def leak(model):
    written = [u.lowrank for u in updates_from_model(model) if u.side == "write"]
    return max(float(abs(subspace.basis.T @ dW).max()) / dW.norm() for dW in written)

ids = torch.randint(0, 40, (8, 12), generator=torch.Generator().manual_seed(0))
rows = [{"input_ids": row, "labels": row, "attention_mask": torch.ones_like(row)} for row in ids]

def loop(peft_model):
    for _ in range(3):
        peft_model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()

leaks = {}
peft_model = fresh()
optimizer = torch.optim.AdamW(peft_model.parameters(), lr=1e-2)
with Grasp(subspace).attached(peft_model, optimizer): loop(peft_model)
leaks["loop"] = leak(peft_model)
peft_model = fresh()
optimizer = torch.optim.AdamW(peft_model.parameters(), lr=1e-2)
loop(peft_model)
leaks["loop without"] = leak(peft_model)

options = {"output_dir": "run", "max_steps": 3, "report_to": [], "save_strategy": "no", "use_cpu": True}
options |= {"learning_rate": 1e-2, "disable_tqdm": True, "logging_strategy": "no"}
try:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    listed = Dataset.from_list([{name: value.tolist() for name, value in row.items()} for row in rows])
    settings = SFTConfig(dataset_kwargs={"skip_prepare_dataset": True}, bf16=False, **options)
    made = {"args": settings, "train_dataset": listed, "processing_class": AutoTokenizer.from_pretrained("MODEL")}
except ImportError:  # trl is accepted, not required: its trainer is a subclass of this one
    from transformers import Trainer as SFTTrainer, TrainingArguments

    made = {"args": TrainingArguments(**options), "train_dataset": rows}
for name, given in (("trainer", {"callbacks": [Grasp(subspace).callback()]}), ("trainer without", {})):
    model = fresh()
    trainer = SFTTrainer(model, **made, **given)
    trainer.train()
    leaks[name] = leak(model)
files = {room: import_module(room).__file__ for room in json.loads(sys.argv[1])}
said = {"moved": len(MOVED), "told": told, "gone": gone}
print(json.dumps(said | {"leaks": leaks, "files": files, "verdict": report.verdict}))
"""
ENTRY = """
import shlex, sys
from importlib.metadata import entry_points
sys.stderr = sys.stdout
(grasp,) = entry_points(group="console_scripts", name="grasp")
for command in sys.stdin.read().splitlines():
    try:
        grasp.load()(shlex.split(command))
    except SystemExit as end:
        print(f"CODE {end.code}: {command}", flush=True)
"""
COMMANDS = ["--version", "identify path/to/peft-adapter", "identify nowhere"]  # all others: test_reliability


@pytest.fixture
def workplace(made, tmp_path) -> Path:
    """A folder of a user's, with an adapter and a model."""
    (tmp_path / "path" / "to").mkdir(parents=True)
    saved(tmp_path / "path" / "to" / "peft-adapter", layers=4, width=48, inputs=48, strength=1.5)
    (tmp_path / "MODEL").symlink_to((made / BASE).resolve())
    return tmp_path


def away(site: Path, workplace: Path, code: str, *arguments: str, typed: str = "") -> str:
    """Standard output of a process that finds the packages in ``site`` alone."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GRASP"))}
    env = kept | {"PYTHONPATH": str(site)}
    return python("-P", "-s", "-c", code, *arguments, cwd=workplace, env=env, input=typed, timeout=1200).stdout


def test_wheel_has_the_rooms_whole_and_nothing_else(built):
    (wheel,), tree = built.glob("*.whl"), built / "tree"
    with zipfile.ZipFile(wheel) as file:
        sizes = {info.filename: info.file_size for info in file.infolist()}
    (about,) = {name.split("/")[0] for name in sizes} - set(ROOMS)
    assert about.endswith(".dist-info")
    files = {str(p.relative_to(tree)) for room in ROOMS for p in (tree / room).rglob("*") if p.is_file()}
    assert {name for name in sizes if not name.startswith(about)} == files
    assert {f"{room}/py.typed" for room in ROOMS[:-1]} <= files  # the command line is not for import
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_wheel_says_what_it_is_and_needs(built):
    (wheel,) = built.glob("*.whl")
    project = tomllib.loads((built / "tree" / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as file:
        (name,) = (n for n in file.namelist() if n.endswith(".dist-info/METADATA"))
        about = Parser().parsestr(file.read(name).decode())
        entry = file.read(name.replace("METADATA", "entry_points.txt")).decode()
        assert any(n.endswith("LICENSE") for n in file.namelist())
    assert (about["Name"], about["Version"]) == (project["name"], project["version"])
    needed = {re.split(r"[<>=\[;]", line)[0] for line in about.get_all("Requires-Dist", []) if "extra" not in line}
    assert needed == {re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]}
    assert set(about.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    assert "grasp = grasp_cli:main" in entry


def test_library_of_the_wheel_does_what_the_design_says(site, workplace):
    found = json.loads(away(site, workplace, LIBRARY, json.dumps(ROOMS)).splitlines()[-1])
    assert all(Path(file).is_relative_to(site) for file in found["files"].values()), found["files"]
    assert found["verdict"] == "one stands out"
    assert max(found["leaks"][name] for name in ("loop", "trainer")) < GUARANTEE
    assert min(found["leaks"][f"{name} without"] for name in ("loop", "trainer")) > 1e3 * GUARANTEE  # control
    assert found["moved"] == found["told"] > 50
    assert found["gone"] == "No module named 'grasp_theory.never_was'"


def test_commands_of_the_wheel_end_with_their_code(built, workplace):
    out = away(built / "site", workplace, ENTRY, typed="\n".join(COMMANDS))
    codes = re.findall(r"^CODE (.*)$", out, re.MULTILINE)
    assert codes == [f"{code}: {command}" for code, command in zip((0, 0, 2), COMMANDS, strict=True)], out
