"""The site: what its pages name is there, their code is valid, docstrings are typeset. ``make docs`` builds all."""

from __future__ import annotations

import inspect
import json
import re
import runpy
import shlex
import tomllib
from functools import cache
from importlib import import_module
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from checkout import ROOT

import grasp_cli
from docs import links
from docs.site import api, examples, mathml, typeset
from docs.site.theory import divided, parts
from figures.catalogue import FIGURES
from grasp_theory.statements.registry import ORDER, find

PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "examples").glob("*.py"))}
CODE = "".join(path.read_text(encoding="utf-8") for room in ("grasp_theory", "real_models", "figures", "grasp_cli")
               for path in (ROOT / room).rglob("*.py"))  # fmt: skip
PUBLIC = {f"{package}.{name}" for package in api.PACKAGES for name in import_module(package).__all__}
GENERATED = {
    *(f"generated/theory/{key}" for key in (*ORDER, "index")),
    *(f"generated/gallery/{name}" for name in (*examples.NAMES, "index")),
    *(f"generated/api/{name}" for name in (*api.PACKAGES, *PUBLIC, "index")),
    "generated/figures/index",
}


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def contents(page: str) -> list[str]:
    """The lines of its lists of contents."""
    return [line for tree in blocks(r"\{toctree\}", PAGES[page]) for line in tree.splitlines()]


def commands() -> list[str]:
    """Every ``grasp`` command of a block of the pages, a comment behind it left out."""
    every = [line for text in PAGES.values() for kind in ("sh", "console") for block in blocks(kind, text)
             for line in block.splitlines()]  # fmt: skip
    return sorted({line.removeprefix("$ ") for line in every if re.match(r"(\$ )?grasp ", line)})


@cache
def program() -> Any:
    return typer.main.get_command(grasp_cli.app)


def unknown(command: str) -> list[str]:
    """What of a command line the program does not have."""
    _, name, *words = shlex.split(command, comments=True)
    group = program()
    if name not in group.commands:
        return [name]
    known = {option for p in group.commands[name].params for option in p.opts}
    return [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]


def test_commands_of_the_pages_are_those_of_the_program():
    assert len(commands()) > 20
    assert {command: unknown(command) for command in commands() if unknown(command)} == {}
    assert unknown("grasp identfy x") == ["identfy"]
    assert unknown("grasp identify x --jsn y") == ["--jsn"]


@pytest.mark.parametrize("page", PAGES)
def test_code_of_a_page_is_valid(page):
    for block in blocks("python", PAGES[page]):
        compile(block, page, "exec")
    for block in blocks("toml", PAGES[page]):
        tomllib.loads(block)


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page):
    text = PAGES[page]
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (ROOT / "docs" / target).is_file(), target
    for target in re.findall(r"\{doc\}`[^`]*<(/[^>]+)>`", text):
        assert target[1:] in GENERATED, target
    for entry in contents(page):
        assert not entry or entry.startswith(":") or entry in GENERATED or f"{entry}.md" in PAGES, entry


def test_every_page_is_in_a_list_of_contents():
    assert {name.removesuffix(".md") for name in PAGES} - {"index"} <= set(contents("index.md"))


def test_error_messages_of_the_page_are_those_of_the_code():
    """Literals that stand side by side are one, and a page quotes no more than lies between two values."""
    code = re.sub(r'"\s*\n\s*f?"', "", CODE)
    quoted = [text for line in re.findall(r'^(".*")$', PAGES["errors.md"], re.MULTILINE)
              for text in re.findall(r'"([^"]+)"', line)]  # fmt: skip
    assert len(quoted) > 15
    assert [text for text in quoted if text not in code] == []


def test_examples_are_listed_and_end_in_a_picture():
    assert sorted(SCRIPTS) == sorted(examples.NAMES)
    for name, text in SCRIPTS.items():
        compile(text, name, "exec")
        assert text.endswith("plt.show()\n"), name
        assert re.match(r'"""\n(.+)\n=+\n\n', text), name


def test_the_cheapest_example_runs(monkeypatch, capsys):
    """All run when the site is built."""
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(len(plt.get_fignums())))
    with plt.rc_context():
        runpy.run_path(str(ROOT / "docs" / "examples" / "own_statement.py"))
    plt.close("all")
    said = capsys.readouterr().out
    assert shown == [1]
    assert "reaches only" in said
    assert "½ arcsin 2 rho): stands" in said


def test_reference_is_the_recorded_surface():
    recorded = json.loads((ROOT / "tests" / "test_public_surface.json").read_text(encoding="utf-8"))
    assert {package: sorted(import_module(package).__all__) for package in api.PACKAGES} == {
        package: sorted(names) for package, names in recorded.items()
    }


def test_figures_name_statements_that_are_there():
    from docs.site.gallery import statements_of

    assert list(statements_of("theorem-1")) == ["theorem-1"]
    assert any(list(statements_of(name)) for name in FIGURES if name != "theorem-1")


@pytest.mark.parametrize("key", ORDER)
def test_statement_is_typeset_whole(key):
    """Its law is one formula, its formulas are well-formed, and no letter of its text is lost."""
    (statement,) = find([key])
    title, text = parts(statement)
    assert title
    assert not title.startswith(key)
    mathml._Parser(list(mathml.tokens(statement.law))).whole()  # raises where brackets do not match
    in_words, said, proof, after = divided(text)
    assert "Assumes:" in said
    assert "∎" in proof
    assert "∎" not in after
    made = "\n\n".join([typeset.prose(in_words), *map(typeset.blocks, (said, proof, after))])
    for formula in [mathml.line(statement.law), *re.findall(r"<math.*?</math>", made)]:
        ElementTree.fromstring(formula)
    words = set(re.findall(r"[A-Za-z]{4,}", inspect.cleandoc(text).removeprefix("In words."))) - set(typeset.GREEK)
    plain = re.sub(r"</?m\w+[^>]*>", "", made).replace("\\", "")
    assert {word for word in words if word not in plain} == set()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a/b", "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"),
        ("beta_c", "<msub><mi>β</mi><mrow><mi>c</mi></mrow></msub>"),
        ("uᵀ", '<msup><mi>u</mi><mrow><mi mathvariant="normal">T</mi></mrow></msup>'),
        ("√(m d)", '<msqrt><mrow><mi>m</mi><mspace width="0.12em"/><mi>d</mi></mrow></msqrt>'),
        ("x^(1/2)", '<msup><mi>x</mi><mrow><mn>1</mn><mo stretchy="false" lspace="0" rspace="0">/</mo>'),
        ("û", '<mover accent="true"><mi>u</mi><mo stretchy="false">^</mo></mover>'),
        ("<=", '<mo stretchy="false" lspace="0.28em" rspace="0.28em">≤</mo>'),
    ],
)
def test_formula_is_set(text, made):
    assert made in mathml.line(text)


def test_formula_with_a_bracket_on_another_line_is_set_as_it_stands():
    ElementTree.fromstring(mathml.line("f(x) = (a + b"))


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a task of rank r", "\\ a task of rank \\ :var:`r`\\"),
        ("a k-dimensional one, to 1e-8", "\\ a \\ :var:`k`\\ -dimensional one, to 1e-8"),
        ("dicts with input_ids", "\\ dicts with \\ ``input_ids``\\"),
        ("with a = 1", "\\ with \\ :var:`a`\\  = 1"),
        ("tau <= beta/2", "\\ :var:`τ`\\  ≤ \\ :var:`β`\\ /2"),
        ("‖T Ŝ‖_F²", "\\ ‖\\ :var:`T`\\  \\ :var:`Ŝ`\\ ‖\\ :sub:`F`\\ \\ :sup:`2`\\"),
        ("the factor's strength, i.e. beta", "\\ the factor's strength, i.e. \\ :var:`β`\\"),
        ("e^(−t²/2)", "\\ :var:`e`\\ \\ :sup:`−t²/2`\\"),
        (
            "see ``Grasp``, |x| and **all** of it",
            "\\ see \\ ``Grasp``\\ , \\|\\ :var:`x`\\ \\| and \\ **all**\\  of it",
        ),
    ],
)
def test_prose_is_set(text, made):
    assert typeset.prose(text) == made


def test_arguments_become_a_list_in_both_forms():
    google = "Args:\n    a, b: such as\n        ``x``.\n    seed: of it.\n\nCost: little."
    numpydoc = "Parameters\n----------\na, b : such as\n    ``x``.\nseed : of it.\n\nCost: little."
    listed = "``a``, ``b`` : such as \\ ``x``\\ .\n\n``seed`` : of it.\n\n\\ Cost\\: little."
    assert typeset.blocks(google) == f"**Args**\n\n{listed}"
    assert typeset.blocks(numpydoc) == f"\\ **Parameters**\\\n\n{listed}"


def test_links_of_a_built_site(tmp_path):
    """A link to nothing, one to an anchor that is not there and a script of another host are found, nothing else."""
    (tmp_path / "a.html").write_text('<p id="x"><a href="b.html#y">b</a><a href="https://example.org">c</a></p>')
    (tmp_path / "b.html").write_text('<h1 id="y">b</h1><a href="a.html#x">a</a>')
    assert links.problems(tmp_path) == []
    (tmp_path / "b.html").write_text('<h1 id="z">b</h1><a href="c.html">c</a><script src="https://example.org/s.js">')
    assert len(links.problems(tmp_path)) == 3
    (tmp_path / "empty").mkdir()
    assert "holds no page" in links.problems(tmp_path / "empty")[0]
