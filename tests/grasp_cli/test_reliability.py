"""Every command of the wheel where things are not as on the author's desk: no repository, no network, no home, odd
paths, a narrow terminal."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import python
from made_files import BASE
from planted import saved
from rich.cells import cell_len
from rich.console import Console

import grasp_cli
from benchmarks.kills import contents, differences
from figures.rows import FOLDER, read_rows
from figures.tables import console, show
from figures.tables.comparison import comparison_tables
from figures.tables.verification import show_outcomes
from grasp_theory.statements import ORDER
from grasp_theory.statements.outcome import Outcome, RateFound
from real_models.comparison.table import summarise
from synthetic.runner.stages import RECORD, Stage, run_stages

TRAIN = ["train", "--base", "mein Modell", "--data", "Übung.jsonl", "--set=steps=2", "--set=r=4", "--set=batch_size=1"]
FOUND = "Richtung é.safetensors"
MODEL = ["--base", "mein Modell", "--data", "Übung.jsonl"]
EFFECTS = ["effects", "Lauf", "--scope", "pooled", "--top", "1", "--draws", "1"]
# name -> arguments, in this order in one process; {n} is 1 when run into a pipe and 2 on a terminal
COMMANDS: dict[str, list[str]] = {
    "help": ["--help"],
    "identify": ["identify", "größe 1", "--html", "Seite {n}.html", "--json", "Zahlen {n}.json"],
    "directions": ["identify", "größe 1", "-o", f"{{n}} {FOUND}", "--component", "0"],
    "trajectory": ["identify", "alle Schritte"],
    "diff": ["diff", "größe 1", "größe 2"],
    "edit": ["edit", "größe 1", "--directions", f"1 {FOUND}", "-o", "neu {n}"],
    "verify": ["verify", "scalar-output", "--jobs", "1"],
    "statement": ["verify", "--explain", "scalar-output"],
    "sweeps": ["sweep", "--list"],
    "sweep": ["sweep", "phase-diagram", "--quick", "--trials=2", "--set=d=16", "--jobs=2", "--results=ein Ergebnis ✓"],
    "figures": ["figures", "verdict-rates", "--results", "ein Ergebnis ✓"],
    "check": ["figures", "verdict-rates", "--check", "--results", "ein Ergebnis ✓"],
    "rows": ["compare", "--list"],
    "methods": ["methods"],
    "reproduce": ["reproduce", "--only", "audit", "--results", "Bericht {n}"],
    "rehearsal": [*TRAIN, "-o", "Lauf {n}", "--dry-run"],
    "train": [*TRAIN, "-o", "Lauf", "--method", "grasp", "--directions", f"1 {FOUND}"],
    "learnt": ["identify", "Lauf", *MODEL, "-o", f"{{n}} gelernt {FOUND}", "--component", "0"],
    "explain": ["explain", f"1 gelernt {FOUND}", *MODEL, "--top", "3"],
    "linearity": ["linearity", "Lauf", *MODEL, "--rows", "2"],
    "effects": [*EFFECTS, "--base", "mein Modell", "--pairs", "Paare ü.jsonl", "--results", "Wirkung {n}"],
    "weights": [*EFFECTS, "--weights-only"],
}
ONCE = ("figures", "train")  # print one line a file or an adapter, and are slow
PLAIN = ("help", "sweeps", "statement")  # sentences, which the terminal breaks
MATPLOTLIB = re.compile(r"mkdir -p failed for path|Matplotlib ")  # it says that it has nowhere to keep its fonts
NUMBER = r"[-+]?\d[\d.]*(e[-+]?\d+)?[%x°]?"
MARK = "\x1e"
DRIVER = """
import contextlib, io, json, sys, traceback
import grasp_cli

class Terminal(io.StringIO):
    def isatty(self):
        return True

def run(arguments, n):
    try:
        return grasp_cli.run(grasp_cli.app, [a.replace("{n}", n) for a in arguments])
    except Exception:
        traceback.print_exc()

mark, once, record = sys.argv[1], json.loads(sys.argv[2]), {}
for name, arguments in json.load(sys.stdin).items():
    for stream in (sys.stdout, sys.stderr):
        print(mark + name, file=stream, flush=True)
    record[name] = {"code": run(arguments, "1")}
    if name not in once:
        with contextlib.redirect_stdout(Terminal()) as shown:
            again = run(arguments, "2")
        record[name] |= {"again": again, "shown": shown.getvalue()}
json.dump(record, open("record.json", "w"))
"""
# Audit hooks see every attempt in this process and in its workers, caught or not.
WATCH = """
import os, sys

def watch(event, args):
    if event in ("socket.connect", "socket.sendto"):
        to = args[1]
        named = to if isinstance(to, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        named = args[:2]
    else:
        return
    if named is not None:
        with open(os.environ["ATTEMPTS"], "a") as log:
            log.write(f"{event} {named}\\n")
        raise OSError(101, f"no network: {named}")

sys.addaudithook(watch)
"""


def environment(folder: Path, site: Path) -> dict[str, str]:
    """The packages of ``site``, no home (its parent is a file), no network, 60 columns, no colours."""
    (folder / "watch").mkdir(exist_ok=True)
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    (folder / "file").write_text("")
    gone = ("MPLCONFIGDIR", "GRASP_CACHE", "HF_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME")
    kept = {k: v for k, v in os.environ.items() if k not in (*gone, "FORCE_COLOR", "XDG_CONFIG_HOME")}
    made = {"HOME": str(folder / "file" / "home"), "COLUMNS": "60", "NO_COLOR": "1", "TERM": "xterm-256color"}
    path = os.pathsep.join([str(folder / "watch"), str(site)])
    return kept | made | {"PYTHONPATH": path, "ATTEMPTS": str(folder / "attempts"), "PYTHONUTF8": "1"}


@pytest.fixture(scope="module")
def session(made, site, tmp_path_factory) -> tuple[dict[str, dict[str, Any]], Path]:
    """(name -> code, out, err, and what a terminal showed; the folder around) of all commands in one process."""
    around = tmp_path_factory.mktemp("räume")
    place = around / "Straße mit Leerzeichen 名"
    place.mkdir()
    shutil.copytree(made / BASE, place / "mein Modell")
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Once upon a time"}]}
    (place / "Übung.jsonl").write_text("\n".join([json.dumps(row)] * 4))
    pairs = [{"prompt": prompt, "without": " dog", "with": " cat"} for prompt in ("One day a", "Once upon a")]
    (place / "Paare ü.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    for seed in (1, 2):
        saved(place / f"größe {seed}", seed, layers=4, width=64, inputs=48, strength=1.5)
        shutil.copytree(place / f"größe {seed}", place / "alle Schritte" / f"checkpoint-{10 * seed}")
    given: dict[str, Any] = {"cwd": place, "env": environment(around, site), "input": json.dumps(COMMANDS)}
    done = python("-c", DRIVER, MARK, json.dumps(ONCE), timeout=1200, **given)
    record = json.loads((place / "record.json").read_text())
    for stream, text in (("out", done.stdout), ("err", done.stderr)):
        for part in text.split(MARK)[1:]:
            name, _, printed = part.partition("\n")
            record[name][stream] = printed
    return record, around


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_command_works_without_network_and_home(session, name):
    found = session[0][name]
    assert (found["code"], found.get("again", 0)) == (0, 0), found["err"]
    assert [line for line in found["err"].splitlines() if not MATPLOTLIB.match(line)] == []
    assert len(found["out"]) > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_command_writes_no_escape_codes_into_a_pipe(session, name):
    assert "\x1b" not in session[0][name]["out"] + session[0][name]["err"]


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in (*ONCE, *PLAIN)])
def test_command_fits_into_a_narrow_terminal(session, name):
    lines = bare(session[0][name]["shown"]).splitlines()
    assert lines
    assert [line for line in lines if cell_len(line.rstrip()) > 60 and len(line.split()) > 1] == []
    known = set(re.findall(r"\S+", session[0][name]["out"]))
    rules = [n for n, line in enumerate(lines) if re.fullmatch(r" ─+\s*", line)]
    assert len(rules) == len(re.findall(r"^ ─+\s*$", session[0][name]["out"], re.MULTILINE))
    for n in rules:  # no header and no number is cut off, no first column gone or folded into a few letters
        assert lines[n + 1][:2].strip()
        first = lines[n + 1].split()[0]
        assert first in known or len(first) >= 8
        shown = lines[n - 1].split()[1:] + [w for w in " ".join(lines[n:]).split() if re.fullmatch(NUMBER, w)]
        assert [word for word in shown if word not in known] == []


@pytest.mark.parametrize("columns", [60, 80, 300])
def test_comparison_keeps_its_methods_in_a_narrow_terminal(columns):
    text = io.StringIO()
    found = summarise(read_rows(FOLDER / "comparison.csv"))
    show(comparison_tables(found), Console(file=text, width=columns, no_color=True))
    printed = text.getvalue().splitlines()
    heads = [line for line in printed if "knob" in line and "reached" in line]
    assert heads
    assert all(line.split()[:3] == ["method", "knob", "reached"] for line in heads)
    assert all(("neutral" in line) == (columns == 300) for line in heads)
    assert any(line.split()[:3] == ["naive", "0", "5/5"] for line in printed)


@pytest.mark.parametrize("width", [None, 40])
def test_table_of_statements_breaks_no_name_in_a_pipe(width, capsys):
    rates = [RateFound("mean", (4,), (0.5,), -0.54, 0.01, -0.5, 1.0, ())] * 5
    made = {"best_ratio": 1.0, "needed": (4, 5), "variants": (90, 90), "variant_draws": 200, "derived": (13, 13)}
    outcomes = [Outcome(key, "identity", "", 200, 200, route=1e-10, rates=rates, **made) for key in ORDER]
    out = console() if width is None else Console(width=width, soft_wrap=True)
    show_outcomes(outcomes, out)
    first = {word for line in capsys.readouterr().out.splitlines() for word in line.split()[:1]}
    assert (set(ORDER) <= first) == (width is None)  # 40: the control


@pytest.mark.slow
def test_terminal_without_colour_has_weights_only(session):
    codes = [c for found in session[0].values() for c in re.findall(r"\x1b\[([0-9;]*)m", found.get("shown", ""))]
    assert set(codes) <= {"0", "1", "2", "22"}
    assert "1" in codes  # control: it was taken for a terminal
    widest = max(cell_len(line) for found in session[0].values() for line in found["out"].splitlines())
    assert widest > 60  # control: into a pipe nothing is broken


@pytest.mark.slow
def test_no_command_asks_for_the_network_or_writes_at_home(session):
    around = session[1]
    assert not (around / "attempts").exists()
    assert (around / "file").read_text() == ""
    assert sorted(p.name for p in around.iterdir()) == ["Straße mit Leerzeichen 名", "file", "watch"]


@pytest.mark.slow
def test_commands_of_the_wheel_know_of_no_repository_and_leave_nothing_half_written(session, built):
    (place,) = session[1].glob("Straße*")
    assert json.loads((place / "Bericht 1" / "manifest.json").read_text())["commit"] is None
    assert not [*place.rglob("*.part"), *(built / "site").rglob("*.part")]


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)",
        "import urllib.request as u\ntry: u.urlopen('http://example.invalid')\nexcept OSError: pass",
        "import joblib, socket; joblib.Parallel(2)(joblib.delayed(socket.gethostbyname)('localhost') for _ in '12')",
    ],
)
def test_attempt_on_the_network_is_seen(tmp_path, site, code):
    """Control: of a process, of one that swallows the refusal, of a worker."""
    subprocess.run([sys.executable, "-c", code], env=environment(tmp_path, site), capture_output=True, timeout=120)
    assert (tmp_path / "attempts").read_text().startswith("socket.")


def test_home_of_the_tests_cannot_be_written(tmp_path, site):
    """Control: root writes everywhere but below a file."""
    with pytest.raises(NotADirectoryError):
        Path(environment(tmp_path, site)["HOME"]).mkdir(parents=True)


# what benchmarks/kills.py compares


@pytest.fixture
def twins(tmp_path) -> tuple[Path, Path]:
    for name in ("one", "other"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "table.csv").write_bytes(b"a,b\n1,2\n")
        (tmp_path / name / "inner" / "manifest.json").write_text('{"config": {"trials": 4}}')
        (tmp_path / name / "inner" / "timings.json").write_text(name)
    (tmp_path / "other" / "inner" / ".table.csv.ab12.part").write_text("half")
    return tmp_path / "one", tmp_path / "other"


def test_kills_compare_nothing_that_may_differ(twins):
    assert differences(*twins) == []
    assert set(contents(twins[0])) == {"table.csv", "inner/manifest.json"}


@pytest.mark.parametrize("change", ["byte", "missing", "extra", "manifest", "aside"])
def test_kills_compare_everything_else(twins, change):
    one, other = twins
    path = {"extra": "new.csv", "manifest": "inner/manifest.json", "aside": "cell.aside"}.get(change, "table.csv")
    if change == "missing":
        (other / path).unlink()
    else:
        (other / path).write_text("a,b\n1,3\n")
    assert differences(one, other) == differences(other, one) == [path]


# what kills and repetitions found


@pytest.mark.slow
def test_trained_adapter_names_its_modules_in_order(session):
    """peft keeps them in a set, ordered differently in every process."""
    (place,) = session[1].glob("Straße*")
    names = json.loads((place / "Lauf" / "adapter_config.json").read_text())["target_modules"]
    assert len(names) == 7
    assert names == sorted(names)


def test_sweep_leaves_the_same_files_whatever_was_there(tmp_path, capsys):
    command = ["sweep", "phase-diagram", "--quick", "--trials=1", "--set=d=16", "--jobs=1", "--results", str(tmp_path)]
    assert grasp_cli.run(grasp_cli.app, command) == 0
    before = contents(tmp_path)
    next((tmp_path / "sweeps" / "phase_diagram").glob("*-1.json")).unlink()
    assert contents(tmp_path) != before
    assert grasp_cli.run(grasp_cli.app, command) == 0
    assert contents(tmp_path) == before
    capsys.readouterr()


def test_record_of_stages_does_not_know_of_writes_that_were_cut_off(tmp_path):
    def work(folder: Path) -> None:
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / "a.txt").write_text("a")

    stage = Stage("one", "one", ("synthetic.runner.results",), ("out",), work)
    records = []
    for name in ("calm", "killed"):
        (tmp_path / name / "out").mkdir(parents=True)
        if name == "killed":
            (tmp_path / name / "out" / ".a.txt.x1.part").write_text("hal")
        run_stages([stage], tmp_path / name, options={}, tell=lambda text: None)
        records.append((tmp_path / name / RECORD).read_bytes())
    assert records[0] == records[1]
