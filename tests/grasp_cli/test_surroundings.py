"""What surrounds a run: pipes and terminals that cannot encode or are closed, homes, and the user's matplotlib."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import python

from figures.tables.table import Table
from figures.tables.terminal import console, show
from synthetic.runner.results import write_json

PLAIN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LC_", "LANG", "MPL", "MATPLOTLIB"))}
BARE_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def grasp(*arguments: str, tail: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a shell, for what its streams are joined to; pipefail hands on its exit code."""
    line = " ".join([f"'{sys.executable}' -m grasp_cli", *arguments, tail])
    command = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(command, env=PLAIN | environment, capture_output=True, timeout=120, check=False)


EXPLAIN = ("verify", "--explain", "stream-hold")  # mathematical letters, quickly


@pytest.fixture(scope="module")
def whole() -> str:
    return grasp(*EXPLAIN, PYTHONUTF8="1").stdout.decode()


def imports_numpy(environment: dict[str, str]) -> bool:
    """Python 3.13 hands numpy's extension a path that cannot be encoded."""
    return not subprocess.run([sys.executable, "-c", "import numpy"], env=PLAIN | environment, check=False).returncode


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": e} for e in ("ascii", "cp1252", "cp437")] + [BARE_LOCALE])
def test_output_that_a_pipe_cannot_encode_is_replaced(environment, whole):
    if not Path(sys.prefix).as_posix().isascii() and not imports_numpy(environment):
        pytest.skip(f"numpy cannot be imported from {sys.prefix} in this locale, by this version of Python")
    encoding = environment.get("PYTHONIOENCODING", "ascii")
    found = grasp(*EXPLAIN, **environment)
    assert (found.returncode, found.stderr) == (0, b"")
    assert found.stdout == whole.encode(encoding, "replace")
    with pytest.raises(UnicodeEncodeError):  # the control: there is something that it cannot encode
        whole.encode(encoding)


def test_error_that_a_pipe_cannot_encode_is_replaced():
    found = grasp("identify", "/nonexistent/‖û‖", PYTHONIOENCODING="ascii")
    assert found.returncode == 2
    assert found.stderr.startswith(b"error: /nonexistent/???")
    assert found.stderr.count(b"\n") == 1


def test_json_that_a_pipe_cannot_encode_is_escaped_and_says_the_same(monkeypatch):
    value = {"name": "‖û‖ 方向"}
    for encoding in ("ascii", "cp1252", "utf-8"):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        write_json("-", value)
        sys.stdout.flush()
        assert json.loads(raw.getvalue().decode(encoding)) == value
        assert (b"\\u" in raw.getvalue()) == (encoding != "utf-8")


@pytest.mark.parametrize(
    ("arguments", "tail"), [(["--help"], "| true"), (["methods"], "2>&1 | true"), (EXPLAIN, "| head -c 1")]
)
def test_reader_that_has_seen_enough_is_no_error(arguments, tail):
    found = grasp(*arguments, tail=tail)
    assert (found.returncode, found.stderr) == (0, b"")


def test_output_that_cannot_be_written_is_an_error_of_one_line():
    found = grasp("methods", tail="> /dev/full")
    assert found.returncode == 2
    assert found.stderr.startswith(b"error: cannot write the output")
    assert found.stderr.count(b"\n") == 1


def test_odd_surroundings_of_a_terminal_change_nothing_in_a_pipe():
    usual, dumb = grasp("methods").stdout, {"TERM": "dumb", "NO_COLOR": "1", "HOME": "/nowhere"}
    for environment in ({"COLUMNS": "1"} | dumb, {"COLUMNS": "-5"}, {"COLUMNS": "many"}):
        assert grasp("methods", **environment).stdout == usual != b""


@pytest.mark.parametrize("columns", ["0", "1", None])
def test_terminal_that_does_not_say_its_width_still_shows_the_text(columns, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    show([Table(("module", "value"), [("o_proj", "0.25")])], console())
    assert re.search(r"o_proj.*0\.25", capsys.readouterr().out)


def test_table_says_what_its_module_names_begin_with_once_before_it_breaks_them(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    start = "base_model.model.roberta.encoder.layer"
    names = [f"{start}.{layer}.attention.self.query" for layer in range(3)]
    numbers = ["0.25"] * 3
    show([Table(("module", *"abc"), [(name, *numbers) for name in ("all of them", *names)], title="norms")], console())
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert " ".join(shown.split("module")[0].split()) == f"norms, of {start}"
    assert all(re.search(rf"^ {layer}\.attention\.self\.query +0\.25", shown, re.MULTILINE) for layer in range(3))
    assert "all of them" in shown
    monkeypatch.setenv("COLUMNS", "120")  # where they fit they are whole
    show([Table(("module", *"abc"), [(name, *numbers) for name in names], title="norms")], console())
    assert all(name in capsys.readouterr().out for name in names[:1])


# --- figures -----------------------------------------------------------------------------------------------------

DRAW = """
import hashlib
from figures.style import new_figure, render, styled

@styled
def build():
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.plot([1, 2], [3, 4], label="a_b $x ‖û‖")
    axes.legend()
    return figure

print(*(hashlib.sha256(render(build(), kind)).hexdigest() for kind in ("png", "pdf")))
"""
HARSH = """
text.usetex: True
backend: QtAgg
font.family: Nonexistent
font.size: 30
lines.linewidth: 9
savefig.bbox: tight
savefig.transparent: True
figure.dpi: 31
axes.grid: True
axes.prop_cycle: cycler(color=["k"])
"""


def drawn(environment: dict[str, str]) -> str:
    return python("-c", DRAW, env=PLAIN | environment).stdout


@pytest.fixture(scope="module")
def fonts(tmp_path_factory) -> Path:
    """Where matplotlib keeps what fonts it found: looking for them takes longer than all that is drawn here."""
    return tmp_path_factory.mktemp("usual")


@pytest.fixture(scope="module")
def usual(fonts) -> str:
    return drawn({"MPLCONFIGDIR": str(fonts)})


@pytest.mark.parametrize(
    "rc", [HARSH.encode(), b"backend: nonsense", b"\xff\xfe: not text"], ids=["harsh", "unknown backend", "not text"]
)
def test_figures_do_not_depend_on_the_users_matplotlibrc(rc, usual, fonts, tmp_path):
    shutil.copytree(fonts, tmp_path, dirs_exist_ok=True)
    (tmp_path / "matplotlibrc").write_bytes(rc)
    assert drawn({"MPLCONFIGDIR": str(tmp_path)}) == usual


@pytest.mark.parametrize(
    "environment", [{"MPLBACKEND": "nonsense", "HOME": "/nowhere"}, {"MPLCONFIGDIR": "/proc/nowhere"}], ids=str
)
def test_figures_do_not_depend_on_backends_and_homes(environment, usual):
    assert drawn(environment) == usual


def test_style_leaves_the_users_settings_as_they_were():
    import matplotlib

    from figures.style import new_figure, render

    with matplotlib.rc_context({"font.size": 30, "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        render(new_figure(1, 1))
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(("set_to", "threads"), [(None, 1), ("2", 2)])
def test_blas_has_one_thread_unless_the_environment_says_how_many(set_to, threads):
    surroundings = {k: v for k, v in PLAIN.items() if not k.endswith("_NUM_THREADS")}
    told = {} if set_to is None else {"OPENBLAS_NUM_THREADS": set_to}
    code = "import grasp_cli; grasp_cli.main(['doctor', '--json', '-'])"
    done = subprocess.run([sys.executable, "-c", code], env=surroundings | told, capture_output=True, check=False)
    found = [b for b in json.loads(done.stdout)["blas"] if b["internal_api"] == "openblas"]
    if not found or (os.cpu_count() or 1) < threads:
        pytest.skip("numpy has another BLAS here, or there is one core")
    assert {b["num_threads"] for b in found} == {threads}
