"""The HTML pages: self-contained, escaped, with headings in order; in a browser no fault and no overflow."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from made_comparison import study
from made_survey import planted
from markdown_it import MarkdownIt

from figures.catalogue import FIGURES, csv_name
from figures.pages import summary
from figures.pages.comparison import study_page
from figures.pages.difference import write_difference, write_matrix
from figures.pages.effects import effects_page
from figures.pages.identify import identify_page
from figures.pages.summary import write_report
from figures.pages.survey import write_survey
from figures.pages.sweep import write_sweeps
from figures.plots import comparison
from figures.rows import FOLDER, read_rows
from grasp_theory import Subspace, Update, diff, identify
from grasp_theory.identification.matrix import overlap_matrix
from grasp_theory.identification.report import plain
from grasp_theory.lowrank import LowRank
from real_models import findings, read_adapter, write_adapter
from real_models.audit.difference import difference_findings, matrix_findings
from real_models.audit.effects import Effect, Effects
from real_models.audit.holding import verdict
from real_models.audit.parts import Part
from real_models.audit.survey import survey
from real_models.comparison.fronts import fronts
from real_models.comparison.study import Study
from real_models.comparison.table import summarise
from real_models.evaluation.bootstrap import Estimate
from synthetic.generators.adapters import AdapterSpec, draw_adapter
from synthetic.runner.sweep import Sweep, load

ODD = '<script>throw "x"</script>&"|*_'  # in names of modules, bases and folders
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTHS = (400, 1200)
KINDS = (
    "identify",
    "many",
    "odd",
    "nothing",
    "effects",
    "comparison",
    "difference",
    "matrix",
    "sweep",
    "survey",
    "report",
)

# Before a page's own scripts: what goes wrong in it is kept.
WATCH = """<script>
window.faults = []; console.error = (...words) => faults.push(words.join(" "));
const missing = (event) => "not loaded: " + event.target.outerHTML.slice(0, 80);
addEventListener("error", (event) => faults.push(event.message || missing(event)), true);
addEventListener("securitypolicyviolation", (event) => faults.push("refused: " + event.blockedURI));
</script>"""
# All pages in frames of one document, each looked at in every width; what was found takes the document's place.
HARNESS = """<!doctype html><meta charset="utf-8"><body><script>
const pages = PAGES, found = {}, widths = WIDTHS;
function look(frame) {
  const inside = frame.contentDocument, seen = { faults: frame.contentWindow.faults, wide: {}, sorted: {} };
  for (const width of widths) {
    frame.width = width;
    seen.wide[width] = inside.documentElement.scrollWidth;
  }
  seen.pictures = [...inside.images].map((image) => image.complete && image.naturalWidth > 0);
  const table = [...inside.querySelectorAll("table.sortable")].find((one) => one.tBodies[0].rows.length > 2);
  if (table) {
    const numbers = () => [...table.tBodies[0].rows].map((row) => row.cells[1].textContent);
    for (const order of ["ascending", "descending"]) {
      table.tHead.rows[0].cells[1].querySelector("button").click();
      seen.sorted[order] = numbers();
    }
  }
  return seen;
}
const waiting = Object.entries(pages).map(([name, text]) => new Promise((done) => {
  const frame = document.createElement("iframe");
  frame.onload = () => { found[name] = look(frame); done(); };
  frame.width = 400; frame.height = 800; frame.srcdoc = text;
  document.body.append(frame);
}));
Promise.all(waiting).then(() => { document.body.textContent = "FOUND" + JSON.stringify(found) + "END"; });
</script>"""


def saved(folder, updates, rank):
    write_adapter(folder, updates, r=rank, lora_alpha=rank, base_model_name=ODD)
    return read_adapter(folder)


def identified(folder, updates, rank):
    adapter = saved(folder, updates, rank)
    report = identify(adapter.updates)
    return identify_page(adapter, report, findings(adapter, report))


def drawn(names, *, size=1.0, rank=2):
    rng = np.random.default_rng(0)
    return [
        Update.of(
            name,
            LowRank(size * rng.standard_normal((24, rank)), rng.standard_normal((rank, 16)), 1.0),
            layer=None,
            side=None,
        )
        for name in names
    ]


def effects():
    def part(place, n, draw=None):
        span = Subspace.span(np.random.default_rng(n).standard_normal((8, 1)))
        return Part("pooled", place, "write", () if draw is not None else (n,), draw, ("m",), span, 0.1 * (n + 1))

    def told(value):
        return Estimate(value, value - 0.1, value + 0.1)

    def effect(found, value):
        both = {"drift": told(value), "task": told(value / 4)}
        return Effect(found, both, both, {"drift": value, "task": value}, {"drift": value, "task": value})

    made = [effect(part(f"pooled {ODD}", n), 0.6 / (n + 1)) for n in range(3)]
    made.append(effect(part("pooled", 0, draw=0), 0.01))
    levels = {q: {"base": told(0.0), "naive": told(1.0)} for q in ("drift", "task")}
    counts = {"drift": 20, "task": 20}
    return Effects("token", levels, {q: told(1.0) for q in counts}, counts, counts, tuple(made), 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def pages(folder):
    """One page of every kind, and of adapters that are hard to show."""
    spec = AdapterSpec(layers=4, width=64, inputs=48, strength=2.0)
    updates, _ = draw_adapter(spec, rng=np.random.default_rng(0))
    kinds = ("self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")
    names = [f"model.layers.{layer}.{kind}" for layer in range(15) for kind in kinds]
    odd = [f"model.layers.{layer}.{kind}" for layer in range(3) for kind in (f"{ODD}q_proj", "größe.o_proj")]
    found = {
        "identify": identified(folder / "a", updates, spec.rank),
        "many": identified(folder / "c", drawn(names), 2),
        "odd": identified(folder / "<b>ä & 'x'", drawn(odd, rank=1), 1),
        "nothing": identified(
            folder / "d",
            [
                Update.of(u.name, LowRank(0 * u.lowrank.B, u.lowrank.A, 1.0), layer=None, side=None)
                for u in drawn(names[:4])
            ],
            2,
        ),
    }
    effect = effects()
    found["effects"] = effects_page(effect, verdict(effect), [("adapter", ODD)])
    rows = study(naive=(0.8, 0.7, 0.9), kl=(0.2, 0.3, 0.2), edit=(0.4, 0.5, 0.4))
    result = Study(rows, [], fronts(rows, targets={("style", n): 0.95 for n in range(3)}), summarise(rows))
    found["comparison"] = study_page(result, comparison.build(rows), [f"A note {ODD}"])
    other = drawn(odd, size=2.0)
    pair = diff(drawn(odd), other)
    write_difference(folder / "difference.html", pair, difference_findings(pair), [("A", ODD)], [f"warning {ODD}"])
    # two of them have no module in common: NaN in the matrix
    many = overlap_matrix({ODD: drawn(odd), "twice": other, "elsewhere": drawn(names[:4])})
    write_matrix(folder / "matrix.html", many, matrix_findings(many), [])
    sources = {name: FIGURES[name] for name in ("samples",)}
    records = {
        n: [Sweep(load(m), read_rows(FOLDER / csv_name(n)), 1, 0, 0.0).record() for m in e.experiments]
        for n, e in sources.items()
    }
    write_sweeps(folder / "sweep.html", FOLDER, records, [("set", ODD)])
    for seed in range(3):
        planted(folder / "many" / f"{ODD.replace('/', '')}{seed}", seed=seed)
    (folder / "many" / "broken").mkdir()
    (folder / "many" / "broken" / "adapter_config.json").write_text("{")
    write_survey(folder / "survey.html", survey(folder / "many", folder / "store", n_jobs=1))
    reported(folder, rows, records)
    return found | {
        name: (folder / f"{name}.html").read_text(encoding="utf-8")
        for name in ("difference", "matrix", "sweep", "survey", "report")
    }


def reported(folder, rows, records):
    """report.html and report.md from small results."""
    names = ("verdict-rates",)
    shutil.copy(FOLDER / csv_name(*names), folder)
    header = list(rows[0])
    lines = [",".join(header), *(",".join(str(row[h]) for h in header) for row in rows)]
    (folder / "comparison.csv").write_text("\n".join(lines))
    content = {
        "verify": {"statements": [{"key": "a|b", "failures": ["x < y * z_i"], "variants": [3, 4]}]},
        "agreement": {"experiments": [r for of in records.values() for r in of]},
        "planted": {"verdict": "one stands out"},
        "comparison": {"rows": plain(summarise(rows))},
        "organism": {
            "verdict": "one stands out", "drift": 0.9, "base_drift": 0.1, "task": 0.96, "random": 0.08,
            "weights": [[0.1, 0.7]], "activations": [[0.1, 0.8]],
        },
    }  # fmt: skip
    for name, value in content.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "FIGURES", {name: FIGURES[name] for name in names})
        return write_report(folder)


class Outline(HTMLParser):
    """Tags with their attributes, levels of the headings."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def of(self, *names):
        return [(tag, attributes) for tag, attributes in self.tags if tag in names]


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_one_escaped_document_with_headings_in_order(pages, kind):
    text = pages[kind]
    found = Outline(text)
    assert text.startswith("<!doctype html>")
    assert found.of("html") == [("html", {"lang": "en"})]
    assert re.search(r"<title>.+</title>", text)
    assert len(found.of("style")) == len(found.of("script")) == len(found.of("h1")) == 1
    levels = [int(tag[1]) for tag, _ in found.of("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    addresses = [value for _, attributes in found.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(value.startswith("data:image/svg+xml;base64,") for value in addresses)
    assert all(len(attributes["alt"]) > 10 for _, attributes in found.of("img"))
    assert "://" not in text
    assert ODD not in text
    assert "Configuration and versions" in text
    assert "nan" not in re.findall(r"<td[^>]*>([^<]*)</td>", text)
    if kind not in ("sweep", "report", "identify"):
        assert escape("<script>throw") in text
    if kind != "nothing":
        assert found.of("table")
        assert found.of("img")


def test_browser_shows_every_page_without_fault_and_within_its_width(pages, tmp_path):
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    bad = '<html><head></head><body><div style="width: 900px">x</div><script>no()</script></body></html>'
    shown = {name: text.replace("<head>", f"<head>{WATCH}", 1) for name, text in (pages | {"bad": bad}).items()}
    harness = tmp_path / "harness.html"
    text = json.dumps(shown).replace("<", "\\u003c")
    harness.write_text(HARNESS.replace("PAGES", text).replace("WIDTHS", json.dumps(WIDTHS)), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command = [browser, *options, "--virtual-time-budget=60000", "--dump-dom", harness.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    (answer,) = re.findall(r"FOUND(.*)END</body>", done.stdout, re.DOTALL) or [None]
    assert answer, done.stderr[-2000:]
    found = json.loads(unescape(answer))
    control = found.pop("bad")
    assert any("no is not defined" in fault for fault in control["faults"])
    assert control["wide"]["400"] > 400
    assert set(found) == set(KINDS)
    for name, seen in found.items():
        assert seen["faults"] == [], name
        assert {width: seen["wide"][str(width)] <= width for width in WIDTHS} == dict.fromkeys(WIDTHS, True), (
            name,
            seen["wide"],
        )
        assert all(seen["pictures"]), name
    numbers = [float(value) for value in found["many"]["sorted"]["ascending"]]
    assert numbers == sorted(numbers)
    for name, seen in found.items():
        if name != "nothing":
            assert sorted(seen["sorted"]["ascending"]) == sorted(seen["sorted"]["descending"]), name


def test_report_in_markdown_renders_tables_and_no_raw_marks(pages, folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    page = Outline(pages["report"])
    assert rendered.count("<table>") == len(page.of("table")) + 1  # the versions, which the page has as a list
    assert "|---" not in rendered
    assert "x &lt; y * z_i" in rendered
    for image in re.findall(r'<img src="([^"]+)"', rendered):
        assert (folder / image).is_file()
    titles = [re.findall(r"<h2>(.*?)</h2>", found) for found in (rendered, pages["report"])]
    assert titles[0] == titles[1]
