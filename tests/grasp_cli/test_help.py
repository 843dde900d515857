"""Help, completion, ``grasp doctor``, near misses and the progress bar."""

from __future__ import annotations

import builtins
import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from email.message import Message
from importlib import metadata
from typing import Any

import pytest
import typer
from checkout import ROOT
from command import grasp

import grasp_cli
from figures import catalogue
from figures.tables import progress, verification
from grasp_cli import help, names, requirements
from grasp_cli.doctor import USES
from grasp_theory.errors import unknown_name
from grasp_theory.statements.registry import ORDER
from real_models.comparison.language import configurations
from real_models.language_model import MODELS
from real_models.methods import METHODS

PROGRAM: Any = typer.main.get_command(grasp_cli.app)
COMMANDS: dict[str, Any] = PROGRAM.commands


# --- help --------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_once_under_its_job(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = grasp(capsys, "--help")
    assert code == 0
    sections = {part.partition(":")[0]: part for part in out.split("\n\n")}
    for panel, commands in grasp_cli.COMMANDS.items():
        listed = re.findall(r"^  (\w+)  ", sections[panel], re.MULTILINE)
        assert listed == [command.__name__ for command in commands]
    assert "..." not in out.partition("Options:")[2]  # no line is cut off
    assert len(out.splitlines()) <= 40
    assert grasp(capsys) == (0, out, "")  # as without any word


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_fits_or_has_sections_and_its_example_parses(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = grasp(capsys, name, "--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "list[" not in out  # a Python type, which newer versions of typer show
    options = sum(1 for p in COMMANDS[name].params if p.param_type_name == "option")
    assert options <= 8 or len(re.findall(r"^[A-Z].*:$", out, re.MULTILINE)) >= 3
    words = shlex.split(COMMANDS[name].epilog)
    assert words[:2] == ["grasp", name]
    assert f"Example:\n  {COMMANDS[name].epilog}\n" in out
    COMMANDS[name].make_context(name, words[2:])
    with pytest.raises(grasp_cli.USAGE_ERROR):  # control
        COMMANDS[name].make_context(name, [*words[2:], "--no-such-option"])


@pytest.mark.parametrize(("command", "old"), help.RENAMED)
def test_renamed_options_work_with_a_warning(command, old, capsys):
    today = help.RENAMED[command, old]
    assert today in {option for p in COMMANDS[command].params for option in p.opts}
    given = {"train": "--base=a --data=b -o c", "explain": "d --base a", "effects": "a", "data": "x", "compare": "x"}

    (name,) = [p.name for p in COMMANDS[command].params if today in p.opts]

    def parsed(*option: str) -> str:
        return str(COMMANDS[command].make_context(command, [*given[command].split(), *option]).params[name])

    assert parsed(today, "3") == parsed(f"{today}=3") == parsed(old, "3") != parsed()
    assert capsys.readouterr().err == f"warning: {old} is called {today} now; the old name goes in 0.3\n"


@pytest.mark.parametrize("words", ["--explain scalar-output", "scalar-output --explain"])
def test_verify_explains_what_is_named_wherever_the_option_stands(words, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(verification, "show_statement", lambda statement, out: shown.append(statement.key))
    assert grasp(capsys, "verify", *words.split())[0] == 0
    assert shown == ["scalar-output"]
    code, out, err = grasp(capsys, "verify", "--explain")
    assert (code, out, "grasp verify prior-angle --explain" in err) == (2, "", True)


# --- names -------------------------------------------------------------------------------------------------------


def test_completed_names_are_those_of_the_program():
    assert names.statements() == sorted(ORDER)
    assert names.figures() == sorted(catalogue.FIGURES)
    assert names.experiments() == sorted(n for n, e in catalogue.FIGURES.items() if e.experiments or e.organisms)
    assert names.methods() == sorted(m.name for m in METHODS if m.options is not None)
    assert names.configurations() == configurations()
    assert names.models() == sorted(MODELS)
    assert names.statements("prior") == ["prior-angle"]
    assert names.methods("compensated+gras") == ["compensated+grasp"]
    assert "grasp" not in [name.rpartition("+")[2] for name in names.methods("grasp+")]


def test_shell_completes_without_importing_what_it_names():
    """By bash's protocol, in a process of its own; a module that says what was imported ends it."""
    code = """
import atexit, sys
import grasp_cli
heavy = ("numpy", "torch", "rich.progress", "figures", "real_models", "grasp_theory")
atexit.register(lambda: print(*[name for name in heavy if name in sys.modules], file=sys.stderr))
grasp_cli.main([])
"""
    words = {"COMP_WORDS": "grasp verify pri", "COMP_CWORD": "2", "_GRASP_COMPLETE": "complete_bash"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | words, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr.split()) == (["prior-angle"], [])


def test_unknown_name_suggests_the_nearest_and_lists_all():
    known = ["prior-angle", "who-wins", "edit, read"]
    assert str(unknown_name("statement", ["prior-angel"], known)) == (
        "no statement is called 'prior-angel'; did you mean prior-angle? there are: prior-angle, who-wins, 'edit, read'"
    )
    assert "did you mean" not in str(unknown_name("statement", ["zzz"], known))
    assert str(unknown_name("module", ["zzz"], known, most=1)).endswith("there are: prior-angle, … (3 in all)")
    assert str(unknown_name("module", ["a"], [])).endswith("there are: none")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("verify prior-angel", "did you mean prior-angle?"),
        ("sweep phase-diagrm", "did you mean phase-diagram?"),
        ("figures tails", "did you mean tail?"),
        ("model smollm", "did you mean smollm2?"),
        ("compare smollm2-styl", "did you mean smollm2-style?"),
        ("data smollm2-styl --datasets . -o out", "did you mean smollm2-style?"),
        ("reproduce --only audt --results out", "did you mean audit?"),
        ("idenify a", "Did you mean 'identify'"),
        ("identify a --jsn b", "--json"),
        ("compare bad.toml", "expected a TOML file"),
        ("compare table.toml", "see grasp compare --help"),
        ("edit a -o bad.toml/x --keep 1", "does not exist"),
        ("identify bad.toml", "give the folder that save_pretrained of peft wrote"),
        ("methods --json bad.toml/x", "bad.toml is a file; name a folder"),
        ("explain bad.toml --base .", "name a file of `grasp identify -o`"),
        ("train --base nowhere --data F.jsonl -o out", "`grasp model smollm2` makes one"),
        ("pairs nowhere -o out", "name a file of JSON lines"),
        ("sweep phase-diagram --results bad.toml", "name another one"),
    ],
)
def test_errors_say_what_to_do(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("[compare\n")
    (tmp_path / "table.toml").write_text("x = 1\n")
    (tmp_path / "F.jsonl").write_text('{"text": "a"}\n')
    code, out, err = grasp(capsys, *shlex.split(arguments))
    assert (code, out, err.count("\n"), err[:7]) == (2, "", 1, "error: ")
    assert words in err


# --- doctor ------------------------------------------------------------------------------------------------------


@pytest.fixture
def packaged(monkeypatch) -> dict[str, list[str]]:
    """The metadata that the checkout would be installed with: what is installed may be older."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = Message()
    for text in project["dependencies"]:
        made["Requires-Dist"] = text
    for extra, texts in project["optional-dependencies"].items():
        made["Provides-Extra"] = extra
        for text in texts:
            made["Requires-Dist"] = f'{text}; extra == "{extra}"'
    monkeypatch.setattr(metadata, "metadata", lambda name: made)
    return project["optional-dependencies"]


def test_needed_is_what_the_metadata_asks_for(packaged):
    found = requirements.needed()
    assert {one.extra for one in found} == {"", *packaged}
    assert [one.name for one in found if one.extra == "hf"] == ["transformers", "peft", "accelerate"]
    (numpy,) = [one for one in found if one.name == "numpy"]
    assert (numpy.extra, numpy.installed, numpy.fits) == ("", metadata.version("numpy"), True)
    assert set(USES) <= set(packaged)
    assert {name for uses in USES.values() for name in uses} <= set(COMMANDS)


def test_doctor_says_what_is_missing_for_what(packaged, capsys, tmp_path, monkeypatch):
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: {"peft": "0.1"}.get(name) or version(name))
    code, out, _ = grasp(capsys, "doctor", "--json", tmp_path / "d.json")
    assert code == 0
    assert "peft 0.1 (not >=0.14)" in out
    assert re.search(r"missing for train, .*: peft>=0.14: pip install 'grasp-toolkit\[hf\]'", out)
    found = json.loads((tmp_path / "d.json").read_text())
    assert found["system"]["python"] == sys.version.split()[0]
    assert [p["installed"] for p in found["packages"] if p["name"] == "peft"] == ["0.1"]
    assert found["devices"]["torch"] == version("torch")
    monkeypatch.setattr(metadata, "version", lambda name: {"numpy": "1.0"}.get(name) or version(name))
    assert grasp(capsys, "doctor")[0] == 1  # what every command needs


def test_doctor_imports_no_torch_that_is_built_for_the_cpu():
    code = (
        "import sys, grasp_cli; grasp_cli.run(grasp_cli.app, ['doctor', '--json', '-']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said, _, imported = done.stdout.rstrip().rpartition("\n")
    devices = json.loads(said)["devices"]
    assert (imported == "True") == bool(devices["built_for"])


def test_missing_extra_is_named_with_what_brings_it(packaged, capsys, tmp_path, monkeypatch, made):
    from made_files import BASE

    real = builtins.__import__

    def without(name, *rest, **named):
        if name.partition(".")[0] in ("transformers", "peft"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(requirements, "installed", lambda name: None)
    (tmp_path / "F.jsonl").write_text('{"text": "a"}\n')
    base, data = made / BASE, tmp_path / "F.jsonl"
    for command in (["train", "--data", data, "-o", tmp_path / "out"], ["evaluate", "--neutral", data]):
        code, out, err = grasp(capsys, *command, "--base", base)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "transformers>=4.48 is needed, and it is not installed: pip install 'grasp-toolkit[hf]'" in err


def test_import_that_no_extra_brings_is_no_bad_input(packaged, monkeypatch):
    def broken(**_: Any) -> None:
        raise ModuleNotFoundError("No module named 'nonsense'", name="nonsense")

    with pytest.raises(ModuleNotFoundError):
        grasp_cli.run(broken, [])


# --- progress ----------------------------------------------------------------------------------------------------

LONG = """
import sys, time
from figures.tables import progress, terminal
terminal.SOON = 0.0
with progress("cells") as watch:
    for n in watch(range(3), 3):
        print("cell", n, flush=True)
        time.sleep({seconds})
"""


def on_terminal(code: str, *, interrupt: bool = False) -> tuple[int, str, str]:
    """(exit code, standard output, what a terminal on standard error showed)."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "80"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
        if interrupt and b"cells" in shown:
            child.send_signal(signal.SIGINT)
            interrupt = False
    os.close(ours)
    out, _ = child.communicate(timeout=60)
    return child.returncode, out, shown.decode()


def test_progress_shows_the_time_left_on_a_terminal_and_leaves_standard_output_alone():
    code, out, shown = on_terminal(LONG.format(seconds=0.6))
    assert (code, out) == (0, "cell 0\ncell 1\ncell 2\n")
    assert "0/3" in shown
    assert "so far" in shown
    assert re.search(r"[12]/3 \d:\d\d:\d\d left", shown)
    assert shown.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))  # it is gone, and the cursor is back


def test_progress_is_silent_in_a_pipe(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # colours were asked for, no bar
    with progress("cells") as watch:
        watch.says("reading")
        assert list(watch(iter("abc"), 3)) == list("abc")
        watch.reached(2, 3, "loss 1")
    assert capsys.readouterr() == ("", "")


def test_interrupt_ends_the_bar_and_exits_with_130():
    body = "\n".join("    " + line for line in LONG.format(seconds=60).strip().splitlines())
    run = "import signal, sys, grasp_cli\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code, _, shown = on_terminal(f"{run}def work(**_):\n{body}\nsys.exit(grasp_cli.run(work, []))", interrupt=True)
    assert code == 130
    assert "interrupted; nothing was left half-written" in shown
    assert "Traceback" not in shown
    assert "\x1b[?25h" in shown  # the cursor is shown again


def test_bar_of_what_is_done_soon_is_never_drawn(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress("cells") as watch:
        assert list(watch(range(3), 3)) == [0, 1, 2]
    assert sys.stderr.getvalue() == ""
