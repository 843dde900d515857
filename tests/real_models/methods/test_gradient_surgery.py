"""Gradient surgery: the steps it leads to, against explicit projections, under several optimizers, with controls."""

from __future__ import annotations

import numpy as np
import pytest
import tolerance
import torch
from compared_updates import assert_same_updates
from tiny_models import OPTIMIZERS, WIDTH, batch, begun, deltas, lora, tiny, trained

from grasp_theory import GraspError, InputError
from real_models.hooks.divergence import negative_log_likelihood
from real_models.hooks.given import Given
from real_models.methods import GradientSurgery, Grasp, build_methods
from real_models.methods.gradient_surgery import _orthonormal, _shuffled

EXACT = 1e-5  # of a cosine between vectors of the parameters, in float32


def tokens(seed: int, n: int = 3, t: int = 7) -> torch.Tensor:
    return batch(seed, sequences=n, tokens=t)["input_ids"]


MASK = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 7])
TEXT = [{"input_ids": tokens(10), "attention_mask": MASK}, {"input_ids": tokens(11, 2, 5)}, {"input_ids": tokens(12)}]
KINDS = ["sgd", "momentum", "adamw"]


def model(*, started: bool = True):
    return begun(lora(tiny())) if started else lora(tiny())


def flat(parts) -> np.ndarray:
    return np.concatenate([p.detach().double().reshape(-1).numpy() for p in parts])


def task(made, seed: int) -> None:
    made(input_ids=tokens(seed), labels=tokens(seed)).loss.backward()


def reference(made, rows, *, kl: bool) -> list[torch.Tensor]:
    """The gradient by its definition: of KL to a base of its own, or of the likelihood, summed over tokens."""
    ids, mask = rows["input_ids"], rows.get("attention_mask", torch.ones_like(rows["input_ids"])).double()
    log_q = made(input_ids=ids, attention_mask=mask.long()).logits.double().log_softmax(-1)
    if kl:
        with torch.no_grad():
            log_p = tiny()(input_ids=ids, attention_mask=mask.long()).logits.double().log_softmax(-1)
        loss = torch.einsum("ij,ijw,ijw->", mask, log_p.exp(), log_p - log_q) / mask.sum()
    else:
        chosen = torch.nn.functional.one_hot(ids[:, 1:], 40).double()
        loss = -torch.einsum("ij,ijw,ijw->", mask[:, 1:], chosen, log_q[:, :-1]) / mask[:, 1:].sum()
    return list(torch.autograd.grad(loss, trained(made)))


def stepped(made, method, name: str, seeds, at=lambda made, n: []) -> list[tuple[np.ndarray, list[list[torch.Tensor]]]]:
    """The move of each step, and beside it ``at(model, number)`` at its start."""
    optimizer, found = OPTIMIZERS[name](made), []
    attachment = method.attach(made, optimizer) if method else None
    for n, seed in enumerate(seeds):
        before, beside = flat(trained(made)), at(made, n)
        optimizer.zero_grad()
        task(made, seed)
        optimizer.step()
        found.append((flat(trained(made)) - before, beside))
    if attachment is not None:
        attachment.detach()
    return found


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-300))


def test_conflict_under_sgd_is_the_explicit_projection():
    """dW after four steps, batches taken in turn, against g − min(⟨g, r⟩, 0) r/‖r‖²; control: not the naive run."""
    expected, made, naive = model(), model(), model()
    conflicts = 0
    for step, seed in enumerate((2, 3, 4, 5)):
        r = flat(reference(expected, TEXT[step % 3], kl=True))
        expected.zero_grad()
        task(expected, seed)
        g = flat([p.grad for p in trained(expected)])
        conflicts += bool(g @ r < 0)
        g = torch.from_numpy(g - min(float(g @ r), 0.0) * r / (r @ r)).float()
        for p, part in zip(trained(expected), g.split([p.numel() for p in trained(expected)]), strict=True):
            p.data -= 0.05 * part.reshape(p.shape)
    assert conflicts  # the case is one
    stepped(made, GradientSurgery(TEXT), "sgd", (2, 3, 4, 5))
    stepped(naive, None, "sgd", (2, 3, 4, 5))
    off = tolerance.backward([WIDTH, 40], np.float32, 1.0)
    wanted, free = deltas(expected), deltas(naive)
    assert_same_updates(deltas(made), wanted, atol=off)
    assert max(np.abs(free[name] - dW).max() for name, dW in wanted.items()) > 30 * off


@pytest.mark.parametrize("name", KINDS)
def test_no_step_raises_the_divergence_to_first_order_under_any_optimizer(name):
    """⟨Δ, ∇KL⟩ <= 0 for the batch whose turn it is; control: naive steps do raise it."""

    def at(made, n):
        return [reference(made, TEXT[n % 3], kl=True)]

    steps, free = (stepped(model(), method, name, range(2, 6), at) for method in (GradientSurgery(TEXT), None))
    assert max(cosine(move, flat(r)) for move, (r,) in steps) <= EXACT
    assert max(cosine(move, flat(r)) for move, (r,) in free) > 100 * EXACT
    assert min(np.linalg.norm(move) for move, _ in steps) > 0


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("started", [True, False])
def test_no_step_moves_a_factor_along_the_span_under_any_optimizer(name, started):
    """Also at dW = 0, where KL has no gradient; control: naive steps do."""
    made = model(started=started)
    places = np.cumsum([p.numel() for p in trained(made)])[:-1]

    def at(made, n):
        return [reference(made, rows, kl=False) for rows in TEXT[:2]]

    def leak(steps) -> float:
        return max(
            abs(cosine(part, flat([r[n]])))
            for move, both in steps
            for r in both
            for n, part in enumerate(np.split(move, places))
        )

    method = GradientSurgery(TEXT[:2], references=2)
    assert leak(stepped(made, method, name, (2, 3), at)) <= 10 * EXACT
    assert leak(stepped(model(started=started), None, name, (2, 3), at)) > 1000 * EXACT
    assert max(np.abs(dW).max() for dW in deltas(made).values()) > 1e-4


def test_first_step_from_the_base_is_the_tasks_own_for_conflict_and_not_for_span():
    """At dW = 0 the gradient of KL is 0; the method acts from the second step on."""
    runs, methods = {}, {"naive": None, "conflict": GradientSurgery(TEXT), "span": GradientSurgery(TEXT, references=2)}
    for kind, method in methods.items():
        made = model(started=False)
        stepped(made, method, "adamw", (2,))
        runs[kind] = flat(trained(made))
    np.testing.assert_array_equal(runs["conflict"], runs["naive"])
    assert np.abs(runs["span"] - runs["naive"]).max() > 1e-4


def test_scale_accumulation_and_clipping_do_not_change_what_is_taken_out():
    """⟨g, r⟩ and its sign are of the gradient that the step is taken with, whatever its scale."""
    runs = []
    for factor in (1.0, 64.0):
        made = model()
        optimizer = torch.optim.SGD(trained(made), 0.1 / factor)
        with GradientSurgery(TEXT).attached(made, optimizer):
            for seed in (2, 3):
                optimizer.zero_grad()
                for part in (seed, seed + 10):
                    (factor * made(input_ids=tokens(part), labels=tokens(part)).loss / 2).backward()
                torch.nn.utils.clip_grad_norm_(trained(made), factor * 0.5)
                optimizer.step()
        runs.append(flat(trained(made)))
    np.testing.assert_allclose(*runs, rtol=0, atol=tolerance.backward([WIDTH, 40], np.float32, 1.0))


def test_closures_give_the_steps_of_plain_ones_and_references_are_made_once_a_step():
    runs, made_of = [], []
    for closed in (False, True):
        made, method = model(), GradientSurgery(TEXT, every=2)
        compute, calls = method._computed, []
        method._computed = lambda *a, c=compute, n=calls: n.append(a[1]) or c(*a)  # pyright: ignore
        optimizer = torch.optim.SGD(trained(made), 0.1)

        def loss(made=made, optimizer=optimizer, seed=2):
            optimizer.zero_grad()
            found = made(input_ids=tokens(seed), labels=tokens(seed)).loss
            found.backward()
            return found

        with method.attached(made, optimizer):
            for _ in range(4):
                optimizer.step(loss) if closed else (loss(), optimizer.step())
        runs.append(flat(trained(made)))
        made_of.append(calls)
    np.testing.assert_array_equal(*runs)
    assert made_of == [[0, 1], [0, 1]]


def test_step_number_chooses_the_batch_of_a_resumed_run():
    moves = []
    for first in (0, 1):
        made = model()
        optimizer = OPTIMIZERS["sgd"](made)
        method = GradientSurgery(TEXT[:2])
        with method.attached(made, optimizer):
            method.step(first)
            before = reference(made, TEXT[first], kl=True)
            optimizer.zero_grad()
            for p, r in zip(trained(made), before, strict=True):
                p.grad = -r  # all of it conflicts
            start = flat(trained(made))
            optimizer.step()
            moves.append(np.linalg.norm(flat(trained(made)) - start) / np.linalg.norm(0.05 * flat(before)))
    assert max(moves) <= 1e-3


def test_grasp_holds_beside_it_in_either_order():
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((WIDTH, 2)))[0]
    for first in (True, False):
        made = model(started=False)
        optimizer = OPTIMIZERS["adamw"](made)
        both = [GradientSurgery(TEXT, references=2), Grasp(Q)]
        attachments = [m.attach(made, optimizer) for m in (both if first else both[::-1])]
        for seed in (2, 3):
            optimizer.zero_grad()
            task(made, seed)
            optimizer.step()
        leak = both[1].leak(made)["write"]
        removed = both[0].leak(made)["removed"]
        for attachment in attachments:
            attachment.detach()
        assert leak <= tolerance.GUARANTEE
        assert 0 < removed < 1


def test_it_leaves_no_trace_and_logs_nothing_before_a_step():
    made = model()
    optimizer = OPTIMIZERS["adamw"](made)
    attachment = GradientSurgery(TEXT).attach(made, optimizer)
    assert attachment.leak() == {}
    attachment.detach()
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert made.training == model().training


@pytest.mark.parametrize("where", ["gradient", "text"])
def test_it_stops_before_a_step_that_is_not_finite(where):
    made = model()
    optimizer, before = OPTIMIZERS["adamw"](made), flat(trained(made))
    with GradientSurgery(TEXT, references=1).attached(made, optimizer):
        task(made, 2)
        if where == "gradient":
            trained(made)[0].grad.fill_(float("nan"))
        else:
            made.get_input_embeddings().weight.data.fill_(float("inf"))
        with pytest.raises(GraspError, match="NaN or Inf"):
            optimizer.step()
    np.testing.assert_array_equal(flat(trained(made)), before)


def test_orthonormal_rows_span_what_they_should():
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.standard_normal((3, 50))).float()
    R = _orthonormal(torch.cat([rows, torch.zeros(1, 50), 2 * rows[:1], rows[:1] + 1e-6 * rows[1:2]]))
    assert R.shape == (3, 50)  # not the row of 0, nor those that are in the span
    np.testing.assert_allclose(R @ R.T, np.eye(3), rtol=0, atol=1e-6)
    np.testing.assert_allclose(rows - rows @ R.T @ R, np.zeros((3, 50)), rtol=0, atol=1e-5)
    assert len(_orthonormal(torch.zeros(2, 50))) == 0


def test_shuffled_text_has_the_same_tokens_at_other_places():
    class Said:
        seed = 0

        def own_text(self):
            return [{"input_ids": tokens(n), "attention_mask": MASK} for n in range(4)]

    before, after = Said().own_text(), _shuffled(Said())  # pyright: ignore
    kept = [np.sort(np.concatenate([b["input_ids"][MASK.bool()].numpy() for b in text])) for text in (before, after)]
    np.testing.assert_array_equal(*kept)
    assert any((a["input_ids"] != b["input_ids"])[MASK.bool()].any() for a, b in zip(before, after, strict=True))
    assert all((a["input_ids"] == b["input_ids"])[~MASK.bool()].all() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: GradientSurgery([]), "no batch"),
        (lambda: GradientSurgery(TEXT, every=0), "every must be at least 1, got 0"),
        (lambda: GradientSurgery(TEXT, references=4), "between 1 and the number of batches, 3, got 4"),
        (lambda: GradientSurgery(TEXT).attach(model()), "pass the optimizer too"),
        (lambda: GradientSurgery(TEXT).attach(tiny(), torch.optim.SGD(tiny().parameters(), 0.1)), "no trainable LoRA"),
        (lambda: build_methods("gradient-surgery", Given(every=2)), "needs --neutral"),
        (lambda: build_methods("naive", Given(references=2)), "does not take --references"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_the_reason(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_command_line_gives_what_it_was_asked_for():
    (made,) = build_methods("gradient-surgery", Given(neutral=lambda: TEXT, every=3, references=2))
    assert isinstance(made, GradientSurgery)
    assert (made.every, made.references) == (3, 2)


def test_likelihood_counts_no_token_behind_padding_on_the_left():
    """The first token of a row has none before it, wherever the row begins; positions are relative in this model."""
    made, right = model(), TEXT[0]["input_ids"]
    left = torch.stack([row.roll(int((1 - mask).sum())) for row, mask in zip(right, MASK, strict=True)])
    found = [
        float(negative_log_likelihood(made, {"input_ids": ids, "attention_mask": mask}).detach())
        for ids, mask in ((right, MASK), (left, MASK.flip(1)))
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
