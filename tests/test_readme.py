"""README and docs do what they say: their blocks run, their tables are those of the committed results."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess

import pytest
from checkout import ROOT
from made_files import BASE
from planted import saved

import grasp_cli
from docs.build import LANGUAGE, PAGES, PARTS, PICTURE, THEOREM, fill
from figures.rows import FOLDER, read_rows
from grasp_theory import InputError
from real_models.comparison.configuration import read_cells

TEXT = {page: (ROOT / page).read_text(encoding="utf-8") for page in (*PAGES, "docs/start.md")}
README = TEXT["README.md"]

PRINTED = {  # what shows that the Python of a page did what the page says
    "README.md": "one stands out",
    "docs/identify.md": "the direction is within",
    "docs/start.md": "one stands out",
    "docs/training.md": "{'write': ",
}


def blocks(language: str, page: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT[page], re.DOTALL | re.MULTILINE)


@pytest.fixture
def workshop(tmp_path, monkeypatch, made):
    """A folder with the adapters, the model and the data that the README names."""
    (tmp_path / "MODEL").symlink_to((made / BASE).resolve())
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Once upon a time"}]}
    (tmp_path / "F.jsonl").write_text("\n".join([json.dumps(row)] * 4))
    for seed, name in enumerate(("my-adapter", "other-adapter")):
        saved(tmp_path / name, seed, layers=4, width=64, inputs=48, strength=1.5)
        shutil.copytree(tmp_path / name, tmp_path / "adapters" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in TEXT if "```python" in TEXT[page]])
def test_python_blocks_run(workshop, capsys, page):
    scope: dict[str, object] = {}
    for block in blocks("python", page):
        exec(compile(block, page, "exec"), scope)
    out = capsys.readouterr().out
    if page == "docs/scale.md":
        seconds, received = map(float, out.split())
        assert 0 < seconds < received
    else:
        assert PRINTED[page] in out


@pytest.mark.parametrize("page", [page for page in PAGES if "```console" in TEXT[page]])
def test_commands_run(workshop, page):
    """Those that measure for minutes only in their --list or --quick form: the others are left to a reader. A sweep
    takes one trial a cell here, and nothing starts workers, which take longer to start than to work."""
    commands = [line[2:] for block in blocks("console", page) for line in block.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "grasp"
        few = ["--trials", "1", "--jobs", "1"] if "--quick" in words else []
        if words[1] == "verify" and "--explain" not in words:
            few = ["--jobs", "1"]
        assert grasp_cli.run(grasp_cli.app, [*words[1:], *few]) == 0, command
    if page == "README.md":
        assert {"report.html", "directions.safetensors"} <= {p.name for p in workshop.iterdir()}


def test_start_shows_what_the_command_prints(tmp_path, monkeypatch, capsys):
    """On the adapter that the page makes; it leaves lines out, and ends of lines."""
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python", "docs/start.md")[0], "docs/start.md", "exec"), {})
    assert grasp_cli.run(grasp_cli.app, ["identify", "my-adapter"]) == 0
    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    shown = blocks("text", "docs/start.md")[0].splitlines()
    assert len(shown) > 3
    for line in shown:
        start = " ".join(line.removesuffix("…").split())
        assert any(one.startswith(start) for one in printed), start


def test_toml_blocks_are_configurations(workshop, tmp_path):
    """The comparison on persona organisms is read; the one on text is refused for want of its files, by name."""
    import tomllib

    found = blocks("toml", "docs/comparison.md")
    assert [list(tomllib.loads(block)) for block in found] == [["compare"], ["text", "train"]]
    path = tmp_path / "c.toml"
    path.write_text(found[0], encoding="utf-8")
    assert len(read_cells(path)[0]) == 2 * 3 * 4
    path.write_text(found[1], encoding="utf-8")
    with pytest.raises(InputError, match="model"):
        read_cells(path)


def test_readme_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", README))
    assert named <= targets


def test_fast_tests_are_there():
    """The target takes file names apart, so that make alone knows the whole of them."""
    said = subprocess.run(["make", "-n", "test-fast"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    named = re.findall(r"tests/[\w/]+(?:\.py)?", said)
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_tables_are_the_committed_results():
    for page, text in TEXT.items():
        assert fill(text) == text, page
    for name in PARTS:
        assert any(f"<!-- {name} -->" in text for text in TEXT.values()), name


def test_links_and_picture_are_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):  # those of the pages: test_docs
        assert (ROOT / target).exists(), target
    assert LANGUAGE in README
    assert THEOREM in README
    assert PICTURE.removeprefix("docs/") in TEXT["docs/comparison.md"]


def test_readme_claims_hold_in_the_committed_results():
    """The control of the tables: hits far above the predicted strength, none far below, no alarm on isotropic noise."""
    rows = read_rows(FOLDER / "verdict_rates.csv")
    hidden = [r for r in rows if r["relative"] and "of its own" in r["setting"]]
    assert hidden
    assert all(r["rate"] == 0 for r in hidden)  # a factor that does not lead in the layers is missed
    assert all(r["rate"] == 1 for r in rows if r["relative"] >= 1.5 and r not in hidden)
    assert all(r["rate"] == 0 for r in rows if 0 < r["relative"] <= 0.5)
    assert all(r["high"] <= 0.02 for r in rows if r["setting"].startswith("isotropic") and not r["relative"])


def test_nothing_names_a_machine():
    """Paths and tool names of a workplace have no place in a published tree."""
    forbidden = re.compile(r"/(?:tmp|root|home)/\w+/(?:venv|lib)|" + "|".join(("far" + "m-", "/wo" + "rk/")))
    tracked = [p for p in ROOT.rglob("*") if p.suffix in {".py", ".md", ".toml", ".cff"} and ".venv" not in p.parts]
    assert len(tracked) > 20
    assert [str(p) for p in tracked if forbidden.search(p.read_text(encoding="utf-8"))] == []
