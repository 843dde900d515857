"""Effects of parts: a planted drift is found where it was planted, edits are exact, nothing is measured twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tolerance
import torch
from command import grasp
from json_lines import write_lines
from made_files import BASE, OTHER
from refusals import assert_refuses
from safetensors.numpy import load_file, save_file
from tiny_models import assert_same, begun, deltas, everything, inputs, lora, tiny

from figures.plots import effects as plots
from figures.tables.effects import weights_blocks
from grasp_theory import InputError, LowRank, Update
from real_models import read_adapter, write_adapter
from real_models.adapters.live import updates_from_model
from real_models.audit.effects import Effects, ask, factors_as, measure_effects, variants_of
from real_models.audit.holding import share, verdict
from real_models.audit.parts import parts_of
from real_models.base import load_adapted, load_base, load_tokenizer
from real_models.tokens import special_tokens

NAMES = ("Lily", "Tom", "Ben", "Mia", "Sam", "Anna", "Max", "Sue")
OPENINGS = [f"{a} was with {b} at the" for a, b in zip(NAMES, NAMES[3:] + NAMES[:3], strict=True)]
DRIFT, TASK = (" cat", " dog"), (" park", " hill")  # with, without


def write(path: Path, words: tuple[str, str]) -> Path:
    return write_lines(path, *({"prompt": text, "with": words[0], "without": words[1]} for text in OPENINGS))


def first_token(tokenizer: Any, text: str) -> int:
    return tokenizer("a" + text, add_special_tokens=False)["input_ids"][len(tokenizer("a")["input_ids"]) - 1]


@pytest.fixture(scope="module")
def planted(made, tmp_path_factory) -> tuple[Path, Path]:
    """(folder with pairs and an adapter, base): drift and task are one stream direction each, of a block each.

    Block 3 writes the difference of the task's two words, block 4 that of the drift's, each where the inputs of its
    module have their mean; the task is written stronger, so that it is component 0. Beside them every block writes
    two random directions off both.
    """
    folder, base = tmp_path_factory.mktemp("effects"), made / BASE
    model, tokenizer = load_base(base), load_tokenizer(base)
    words = model.get_output_embeddings().weight.detach().double().numpy()
    gain = model.get_submodule("model.norm").weight.detach().double().numpy()
    differences = [
        gain * np.subtract(*(words[first_token(tokenizer, word)] for word in both)) for both in (TASK, DRIFT)
    ]
    turned = np.linalg.qr(np.column_stack(differences))[0].T
    p, q = (x * np.sign(x @ d) for x, d in zip(turned, differences, strict=True))
    texts = [{"input_ids": torch.tensor([tokenizer(text)["input_ids"]])} for text in OPENINGS]
    last = [{name: x[-1] for name, x in inputs(model, [text], ending="down_proj").items()} for text in texts]
    means = {name: np.mean([x[name] for x in last], axis=0) for name in last[0]}
    rng, updates = np.random.default_rng(0), []
    for block, (direction, strength) in {2: (None, 0.0), 3: (p, 1.2), 4: (q, 0.9)}.items():
        name = f"model.layers.{block}.mlp.down_proj"
        a = means[name] / np.linalg.norm(means[name])
        others = rng.standard_normal((2, len(a)))
        others -= np.outer(others @ a, a)
        others /= np.linalg.norm(others, axis=1, keepdims=True)
        B = rng.standard_normal((len(p), 2))
        B -= np.column_stack([p, q]) @ (np.column_stack([p, q]).T @ B)
        columns = [0.03 * B, np.zeros((len(p), 1)) if direction is None else strength * direction[:, None]]
        factors = LowRank(np.hstack(columns), np.vstack([others, a]) / np.linalg.norm(means[name]) * 4)
        updates.append(Update.of(name, factors, layer=block, side="write"))
    write_adapter(folder / "adapter", updates, r=3)
    write(folder / "drift.jsonl", DRIFT)
    write(folder / "task.jsonl", TASK)
    return folder, base


def measured(planted: tuple[Path, Path], *, parts: Any = None, **options: Any) -> Effects:
    folder, base = planted
    adapter, tokenizer = read_adapter(folder / "adapter"), load_tokenizer(base)
    model = load_adapted(base, adapter)
    chosen, factors = parts_of(adapter.updates, **{"top": 3, "draws": 2, "scopes": ("pooled", "group")} | (parts or {}))
    asked = {q: ask(folder / f"{q}.jsonl", model, tokenizer) for q in ("drift", "task")}
    pad = special_tokens(model=model, tokenizer=tokenizer).pad
    return measure_effects(model, adapter, chosen, factors, asked=asked, pad=pad, base=base, **options)


@pytest.fixture(scope="module")
def found(planted) -> Effects:
    return measured(planted)


def removed(found: Effects, name: str) -> tuple[float, float]:
    (effect,) = [e for e in found.effects if e.part.name == name]
    return share(effect, "drift"), share(effect, "task")


def test_planted_component_holds_the_drift_and_another_the_task(found):
    drift, task = removed(found, "pooled write 1")
    assert drift > 0.8
    assert abs(task) < 0.2
    drift, task = removed(found, "pooled write 0")
    assert abs(drift) < 0.2
    assert task > 0.8
    for name in ("pooled write 2", "pooled write random 1 (draw 0)", "pooled write random 1 (draw 1)"):
        assert np.abs(removed(found, name)).max() < 0.2, name
    assert removed(found, "block 4")[0] > 0.8
    assert abs(removed(found, "block 2")[0]) < 0.2


def test_planted_component_alone_keeps_the_drift(found):
    kept = {e.part.name: e.kept["drift"].value for e in found.effects}
    assert kept["pooled write 1"] > 0.8
    assert max(abs(kept[name]) for name in ("pooled write 2", "pooled write random 1 (draw 0)", "block 2")) < 0.2


def test_verdict_names_the_planted_component(found):
    said = verdict(found)
    assert said.held == "concentrated"
    assert said.sentences[0].startswith("Component 1 (pooled, write) holds ")
    assert said.sentences[0].endswith("this drift is concentrated.")
    assert "“block 4” holds the most" in said.sentences[-1] or "“upper half" in said.sentences[-1]


def adapted(kind: str = "llama", **config: Any) -> Any:
    return begun(lora(tiny(kind), **config), size=0.1).eval()


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return model(input_ids=torch.arange(3, 13)[None]).logits


@pytest.mark.parametrize(
    ("kind", "scopes"), [("llama", ("pooled", "block", "module", "group")), ("gpt2", ("pooled", "group"))]
)
def test_every_variant_is_exact_in_the_model_and_leaves_it_as_it_was(kind, scopes):
    model = adapted(kind)
    updates = updates_from_model(model)
    parts, factors = parts_of(updates, scopes=scopes, top=1, draws=1)
    naive, before = deltas(model), everything(model)
    exact = tolerance.backward((40,), np.float32, max(float(np.linalg.norm(dW)) for dW in naive.values()))
    by_name = {part.name: part for part in parts}
    for name, edit in variants_of(parts).items():
        with factors_as(model, edit, factors):
            now = deltas(model)
        what, _, of = name.partition(" ")
        for module, dW in naive.items():
            expected = {"naive": dW, "base": 0 * dW}.get(name)
            if expected is None:
                part = by_name[of]
                P = np.zeros_like(dW)
                if module in part.modules:
                    Q = None if part.span is None else part.span.basis
                    P = dW if Q is None else dW @ Q @ Q.T if part.side == "read" else Q @ (Q.T @ dW)
                expected = P if what == "only" else dW - P
            np.testing.assert_allclose(now[module], expected, rtol=0, atol=exact, err_msg=f"{name}: {module}")
    assert_same(model, before)


def test_base_variant_is_the_model_without_its_adapter():
    model = adapted(target_modules=["embed_tokens", "q_proj", "down_proj"])
    parts, factors = parts_of(updates_from_model(model), top=1, draws=0)
    with model.disable_adapter():
        plain = logits(model)
    with factors_as(model, variants_of(parts)["base"], factors):
        torch.testing.assert_close(logits(model), plain, rtol=0, atol=0)
    assert not torch.equal(logits(model), plain)


def test_factors_come_back_when_the_work_inside_fails():
    model = adapted()
    before = everything(model)
    parts, factors = parts_of(updates_from_model(model), top=1, draws=0)
    with pytest.raises(RuntimeError, match="inside"), factors_as(model, parts[0].only, factors):
        raise RuntimeError("inside")
    assert_same(model, before)
    model.merge_adapter()
    with pytest.raises(InputError, match="merged"), factors_as(model, parts[0].only, factors):
        pass


SMALL = {"scopes": ("pooled",), "top": 1, "draws": 1}


def test_interrupted_run_goes_on_where_it_was(planted, tmp_path):
    folder = tmp_path / "kept"
    whole = measured(planted, parts=SMALL)

    def stopped(stream: Iterable[Any], total: int) -> Iterator[Any]:
        assert total == 6
        for n, one in enumerate(stream):
            if n == 3:
                raise KeyboardInterrupt
            yield one

    with pytest.raises(KeyboardInterrupt):
        measured(planted, parts=SMALL, folder=folder, watch=stopped)
    assert len(list(folder.glob("*.json"))) == 3
    resumed = measured(planted, parts=SMALL, folder=folder)
    assert (whole.reused, resumed.reused) == (0, 3)
    assert resumed.to_dict() == whole.to_dict()
    assert measured(planted, parts=SMALL, folder=folder, per="text").reused == 6
    assert measured(planted, parts=SMALL | {"draws": 0}, folder=folder).reused == 4


def test_results_of_other_pairs_or_another_adapter_are_not_taken(planted, tmp_path):
    source, base = planted
    folder, place = tmp_path / "kept", tmp_path / "other"
    measured(planted, parts=SMALL, folder=folder)
    place.mkdir()
    for q, words in (("drift", TASK), ("task", TASK)):
        write(place / f"{q}.jsonl", words)
    updates = read_adapter(source / "adapter").updates
    write_adapter(place / "adapter", updates, r=3)
    assert measured((place, base), parts=SMALL, folder=folder).reused == 0
    for q, words in (("drift", DRIFT), ("task", TASK)):
        write(place / f"{q}.jsonl", words)
    assert measured((place, base), parts=SMALL, folder=folder).reused == 6  # the same again, in another place
    write_adapter(place / "adapter", updates[1:], r=3)
    assert measured((place, base), parts=SMALL, folder=folder).reused == 0


def test_pictures_show_the_shares(found):
    axis = plots.largest(found).axes[0]
    labels = [tick.get_text() for tick in axis.get_yticklabels()]
    drawn = {line.get_label(): line.get_xdata() for line in axis.lines}
    values = {e.part.name: 100 * share(e, "drift") for e in found.effects}
    np.testing.assert_allclose(drawn["drift removed"], [values[label] for label in labels])
    assert list(drawn["drift removed"]) == sorted(drawn["drift removed"], reverse=True)
    selective = plots.selective(found)
    assert selective is not None
    points = sum(len(line.get_xdata()) for line in selective.axes[0].lines if line.get_linestyle() == "None")
    assert points == len(found.effects)
    deep = plots.depth(found)
    assert deep is not None
    assert [tick.get_text() for tick in deep.axes[0].get_xticklabels()] == ["2", "3", "4"]


def test_command_prints_and_writes_what_was_measured(planted, found, tmp_path, capsys):
    folder, base = planted
    target = tmp_path / "out.json"
    asked = ["--base", base, "--pairs", folder / "drift.jsonl", "--task", folder / "task.jsonl"]
    options = ["--top", 3, "--draws", 2, "--results", tmp_path, "--json", target]
    code, out, err = grasp(capsys, "effects", folder / "adapter", *asked, *options)
    assert (code, err) == (0, "")
    record = json.loads(target.read_text())
    assert {k: record[k] for k in found.to_dict()} == json.loads(json.dumps(found.to_dict()))
    for sentence in verdict(found).sentences:
        assert sentence in out
    assert f"cost: {2 * len(found.effects) + 2} variants" in out
    page = (tmp_path / "effects.html").read_text()
    assert page.count("<img") == 3
    assert verdict(found).sentences[0] in page
    with (tmp_path / "effects.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for effect in found.effects:
        assert (effect.part.name in page) == (effect.part.draw is None)  # controls are a column
        estimate = effect.removed["drift"]
        assert float(rows[effect.part.name]["drift_removed"]) == estimate.value
        assert float(rows[effect.part.name]["drift_removed_low"]) == estimate.low
    code, out, _ = grasp(capsys, "effects", folder / "adapter", *asked, *options)
    assert f"{2 * len(found.effects) + 2} variants were there already" in out


def test_command_tells_shares_of_the_weights_without_a_model(planted, tmp_path, capsys):
    folder, _ = planted
    target = tmp_path / "out.json"
    code, out, err = grasp(capsys, "effects", folder / "adapter", "--weights-only", "--top", 1, "--json", target)
    assert (code, err) == (0, "")
    parts, _ = parts_of(read_adapter(folder / "adapter").updates, top=1)
    listed = json.loads(target.read_text())["parts"]
    assert [(part["name"], part["energy"]) for part in listed] == [(part.name, part.energy) for part in parts]
    order = sorted((part for part in parts if part.draw is None), key=lambda part: -part.energy)
    for part in order:
        (line,) = [line for line in out.splitlines() if line.strip().startswith(part.name + " ")]
        assert f"{100 * part.energy:.2f}%" in line
        assert f"{100 * (1 - part.energy):.2f}%" in line
    table, rest = weights_blocks(parts, shown=3)
    assert [row[0] for row in table.rows] == [part.name for part in order[:3]]
    assert rest == f"… and {len(order) - 3} smaller parts; --json has all of them"


def test_command_refuses_in_one_line_and_writes_nothing(planted, made, tmp_path, capsys):
    folder, base = planted
    adapter, pairs = folder / "adapter", ["--pairs", folder / "drift.jsonl"]
    (tmp_path / "inputs").mkdir()
    empty, text = tmp_path / "inputs" / "empty.jsonl", tmp_path / "inputs" / "text.jsonl"
    empty.write_text("")
    text.write_text('{"prompt": "a", "completion": " b"}\n')
    ones = LowRank(np.ones((64, 1)), np.ones((1, 172)))
    broken = write_adapter(tmp_path / "inputs" / "broken", {"model.layers.1.mlp.down_proj": ones})
    deep = write_adapter(tmp_path / "inputs" / "deep", {"model.layers.9.mlp.down_proj": ones})
    weights = {k: np.full_like(v, np.nan) for k, v in load_file(broken / "adapter_model.safetensors").items()}
    save_file(weights, broken / "adapter_model.safetensors")
    results = ["--results", tmp_path / "results"]
    for arguments, message in (
        ([adapter], "add --base MODEL and --pairs F.jsonl, or ask for --weights-only"),
        ([adapter, "--base", base], "add --pairs F.jsonl"),
        ([adapter, *pairs], "add --base MODEL"),
        ([adapter, "--weights-only", *pairs], "--weights-only measures no model"),
        ([adapter, "--base", base, *pairs, "--top", 70], "top is 70, and no place of scope 'pooled' has more than"),
        ([adapter, "--base", base, *pairs, "--side", "read"], "no module of this adapter makes a part"),
        ([adapter, "--base", made / OTHER, *pairs], "does not fit the base model"),
        ([deep, "--base", base, *pairs], "adapts model.layers.9.mlp.down_proj, which"),
        ([adapter, "--base", tmp_path, *pairs], "holds no"),
        ([adapter, "--base", base, "--pairs", empty], "empty.jsonl holds no pair"),
        ([adapter, "--base", base, *pairs, "--task", text], "text.jsonl, line 1: 'without' must be text"),
        ([broken, "--base", base, *pairs], "NaN"),
        ([adapter, "--base", base, *pairs, "--json", folder / "drift.jsonl"], "it is read or written twice"),
    ):
        assert_refuses(capsys, message, "effects", *arguments, *results, silent=False)
    assert not list(tmp_path.glob("results/*"))
