"""*derived* and *decided*: the statement's algebra by sympy, its scalar core by a decision procedure (z3)."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Generic, cast

import numpy as np

from ..errors import GraspError
from .registry import decided, symbolic
from .routes import called
from .statement import Claim, I, Statement
from .variety import distance

if TYPE_CHECKING:
    import z3

AGREE = 1e-6  # a twin's numbers against the claim's, relative to the scale of its sides
ZERO = 1e-10  # what rounding leaves of an identity at numbers of the size of 1
STEPS = 10_000_000  # of z3 for one question, eight times what the longest takes; its own count, whatever the load
TIMEOUT = 600  # seconds, only so that a question that z3 does not count is given up too
NUDGE, LITTLE = 1e-8, 1e-2  # of a model's value, and what it may move of the instance: a root of it at most
CLAIMS = Path(__file__).parent / "statement.py"


def derive(statement: Statement[Any], instances: list[Any]) -> tuple[tuple[int, int] | None, list[str]]:
    """Residuals that simplify to 0 / all, and what is wrong, in words; None where the statement has no algebra.

    The module's ``residuals()`` are left minus right side of each identity as they stand, not simplified: one that is 0
    before anything is done derives nothing. Its ``twin(instance)`` puts the numbers of an instance into the derived
    expressions: claim -> value, which must be the bound of that claim, and evaluates no claim itself. Some expression
    behind each value has to stand in an identity: with one that is 1% larger, some residual must not be 0.
    """
    algebra = symbolic(statement.key)
    if algebra is None:
        return None, []
    zero, residuals = 0, algebra.residuals()
    failures = [] if residuals else ["there is no identity"]
    for label, expression in residuals.items():
        if expression == 0 or not expression.free_symbols:
            failures.append(f"{label} is {expression} before it is simplified")
        elif _vanishes(expression):
            zero += 1
        else:
            failures.append(f"{label} does not simplify to 0")
    failures += _disagreements(statement, algebra.twin, instances)
    return (zero, len(residuals)), failures or _underived(algebra, instances)


def _vanishes(expression: Any) -> bool:
    import sympy as sp

    def functions(e: Any) -> Any:
        return sp.cancel(sp.expand_func(e))

    return any(simpler(expression) == 0 for simpler in (sp.expand, sp.cancel, functions, sp.simplify))


def _disagreements(statement: Statement[Any], twin: Callable[[Any], Mapping[str, float]], instances: list[Any]):
    owned, compared = {getattr(claim.sides, "__code__", None) for claim in statement.claims.values()}, 0
    for instance in instances:
        found, seen = called(lambda instance=instance: twin(instance)) if not compared else (twin(instance), set())
        if seen & owned or any(Path(code.co_filename) == CLAIMS for code in seen):
            return ["the derived expression asks the claim that it is compared with"]
        for name, value in found.items():
            sides = statement.claims[name].sides(instance)
            scale = max(abs(sides.bound), sides.scale or 0.0, 1e-300)
            compared += 1
            if not abs(float(value) - sides.bound) <= AGREE * scale:
                return [f"the expression of {name!r} is {float(value):.10g} where its bound is {sides.bound:.10g}"]
    return [] if compared else ["no derived expression is compared with a claim on an instance"]


def _underived(algebra: ModuleType, instances: list[Any]) -> list[str]:
    """Claims whose value, as ``twin`` finds it, changes with no expression that a residual notices a change of."""
    shown: dict[str, tuple[Any, float]] = {}  # the first instance where it is not 0, and its value there
    for instance in instances:
        values = algebra.twin(instance)
        shown = {name: (instance, float(value)) for name, value in values.items() if value} | shown
        if shown.keys() >= values.keys():
            break
    rest = set(shown)
    for changed in _changed(algebra):
        found = {id(i): changed["twin"](i) for i in {id(i): i for i, _ in (shown[name] for name in rest)}.values()}
        moved = {n for n in rest if not abs(float(found[id(shown[n][0])][n]) / shown[n][1] - 1) <= AGREE}
        if moved and not all(map(_is_zero, changed["residuals"]().values())):
            rest -= moved
        if not rest:
            break
    return [f"the expression of {name!r} stands in no identity" for name in sorted(rest)]


def _changed(algebra: ModuleType) -> Iterator[dict[str, Any]]:
    """The module's names, with one expression, or what one function says, 1% larger each time.

    Its functions are made anew to read the changed name; the module itself is left alone. What ``twin`` names comes
    first.
    """
    import sympy as sp

    def larger(x: Any) -> Any:
        if isinstance(x, tuple | list):
            return type(x)(map(larger, x))
        return {k: larger(v) for k, v in x.items()} if isinstance(x, dict) else x * sp.Rational(101, 100)

    functions = {
        name: inspect.unwrap(value)
        for name, value in vars(algebra).items()
        if isinstance(value, FunctionType) and value.__module__ == algebra.__name__
    }
    named = functions["twin"].__code__.co_names
    for name in sorted(functions.keys() - {"twin", "residuals"} | _expressions(algebra), key=lambda n: n not in named):
        names = dict(vars(algebra))
        for own, f in functions.items():
            names[own] = FunctionType(f.__code__, names, own, f.__defaults__, f.__closure__)
        value = names[name]
        names[name] = (lambda *args, f=value: larger(f(*args))) if name in functions else larger(value)
        yield names


def _expressions(algebra: ModuleType) -> set[str]:
    """Names of its expressions that are no symbols, and of what holds some."""
    import sympy as sp

    def holds(x: Any) -> bool:
        if isinstance(x, tuple | list | dict):
            return any(map(holds, x.values() if isinstance(x, dict) else x))
        return isinstance(x, sp.Expr | sp.MatrixBase) and not isinstance(x, sp.Symbol)

    return {name for name, value in vars(algebra).items() if holds(value)}


def _is_zero(expression: Any) -> bool:
    """Whether it is 0, to rounding, at a point where nothing is by chance."""
    import sympy as sp

    symbols = sorted(expression.free_symbols, key=str)
    value = sp.lambdify(symbols, expression, "mpmath")(*((3 * k + 17) / 101 for k in range(len(symbols))))
    return bool(abs(value) < ZERO)


@dataclass(frozen=True)
class Core(Generic[I]):
    """One question to the decision procedure: do the premises imply the conclusion, for all real numbers?

    Attributes:
        size: what the unknowns cover, in words: "all reals" for a scalar core, "2 x 2" for entries of a matrix.
        conclusion: of the claim ``of``.
        false: false variant of the statement -> its conclusion, refuted by the same premises.
        instance: makes the statement's instance of the values of the unknowns, by name.
    """

    name: str
    of: str
    size: str
    premises: tuple[z3.BoolRef, ...]
    conclusion: z3.BoolRef
    false: Mapping[str, z3.BoolRef]
    instance: Callable[[Mapping[str, float]], I]


@dataclass
class Decided:
    """sizes of the cores that are decided / all cores; z3's steps for the longest question; seconds; what is wrong."""

    sizes: tuple[str, ...] = ()
    cores: int = 0
    refuted: int = 0
    steps: int = field(default=0, compare=False)
    seconds: float = field(default=0.0, compare=False)
    failures: list[str] = field(default_factory=list)


def decide(statement: Statement[Any]) -> Decided | None:
    """Every core of the statement; None where it has none or z3 is not installed.

    A core is decided if the negated claim is unsatisfiable, but not without the premises, and, where it is an
    inequality, not as a strict one: a weaker conclusion than the proof's is never an equality. Each false variant
    must be satisfiable, and the model, made an instance that depends on it, must satisfy the assumptions and the claim
    and violate the variant in floating point. A question that is not answered within ``STEPS`` is not decided.
    """
    module = decided(statement.key) if find_spec("z3") else None
    if module is None:
        return None
    found, started = Decided(), time.perf_counter()
    for core in module.cores():
        found.cores += 1
        wrong, steps = _questions(statement, core)
        found.steps = max(found.steps, steps)
        found.failures += [f"{core.name}: {words}" for words in wrong]
        if not wrong:
            found.sizes += (core.size,)
            found.refuted += len(core.false)
    if not found.cores:
        found.failures.append("there is no core")
    found.seconds = time.perf_counter() - started
    return found


def _questions(statement: Statement[Any], core: Core[Any]) -> tuple[list[str], int]:
    """What is wrong, and the steps of the longest question."""
    answer, _, steps = _ask(core.premises, core.conclusion)
    wrong = [] if answer == "unsat" else [f"the claim is not decided, {answer}"]
    if _ask((), core.conclusion)[0] != "sat":
        wrong.append("the conclusion holds without the premises")
    wrong += _weaker(core, statement.claims[core.of].relation)
    if not core.false:
        wrong.append("no false variant is asked")
    for name, conclusion in core.false.items():
        if name not in statement.variants:
            wrong.append(f"{name!r} is no false variant of the statement")
            continue
        answer, values, taken = _ask(core.premises, conclusion)
        steps = max(steps, taken)
        if answer != "sat":
            wrong.append(f"the false variant {name!r} is not refuted, {answer}")
            continue
        instance = core.instance(values)
        broken = statement.broken(instance)
        if broken:
            wrong.append(f"the model that refutes {name!r} breaks {', '.join(broken)}")
        elif not statement.claims[core.of].holds(instance):
            wrong.append(f"the model that refutes {name!r} violates {core.of} too")
        elif _holds(statement.variants[name], instance):
            wrong.append(f"the model of {name!r} does not violate it in numbers")
        elif not _follows(core, values, instance):
            wrong.append(f"the instance of {name!r} does not depend on the model")
    return wrong, steps


def _follows(core: Core[Any], values: Mapping[str, float], instance: Any) -> bool:
    """Whether some value of the model, moved by 1e-8, moves the instance, and by little."""
    for name, value in values.items():
        try:
            moved = distance(instance, core.instance({**values, name: value + NUDGE}))
        except GraspError:  # not a unit vector any more, or the like
            continue
        if 0 < moved < LITTLE:
            return True
    return False


def _weaker(core: Core[Any], relation: str) -> list[str]:
    """Whether the conclusion says less than the premises and the claim do."""
    inequalities = _inequalities(core.conclusion)
    if inequalities and relation == "=":
        return ["an equality is asked as an inequality"]
    slack = [strict for strict in inequalities if _ask(core.premises, strict)[0] != "sat"]
    return ["the conclusion is never an equality: it says less than the premises do"] * bool(slack)


def _inequalities(conclusion: z3.BoolRef) -> list[z3.BoolRef]:
    """The strict forms of the inequalities that it consists of."""
    import z3

    kind = conclusion.decl().kind()
    if kind == z3.Z3_OP_AND:
        return [strict for part in cast("list[z3.BoolRef]", conclusion.children()) for strict in _inequalities(part)]
    if kind not in (z3.Z3_OP_LE, z3.Z3_OP_GE):
        return []
    left, right = cast("list[z3.ArithRef]", conclusion.children())
    return [left < right if kind == z3.Z3_OP_LE else left > right]


def _holds(claim: Claim[Any], instance: Any) -> bool:
    """Whether it holds or cannot be evaluated."""
    return not claim.sides(instance).finite or claim.holds(instance)


def _ask(premises: tuple[z3.BoolRef, ...], conclusion: z3.BoolRef) -> tuple[str, dict[str, float], int]:
    """("unsat", "sat" or "unknown" with its reason; the values of the model's unknowns by name; z3's steps)."""
    import z3

    solver = z3.SolverFor("QF_NRA")
    solver.set("timeout", 1000 * TIMEOUT)
    solver.set("rlimit", STEPS)
    solver.add(*premises, z3.Not(conclusion))
    before = _counted(solver)
    answer = solver.check()
    steps = _counted(solver) - before
    if answer == z3.unknown:
        return f"unknown ({solver.reason_unknown()})", {}, steps
    if answer == z3.unsat:
        return "unsat", {}, steps
    model = solver.model()
    values = {symbol.name(): _number(model[symbol]) for symbol in model.decls() if not symbol.arity()}
    return "sat", values, steps


def _counted(solver: Any) -> int:
    """z3's steps since it was loaded."""
    found = solver.statistics()
    return int(found.get_key_value("rlimit count")) if "rlimit count" in found.keys() else 0  # noqa: SIM118


def _number(value: Any) -> float:
    """A real of a model, algebraic ones to 20 digits."""
    if hasattr(value, "approx"):
        value = value.approx(20)
    fraction = value.as_fraction()
    return float(np.float64(fraction.numerator) / np.float64(fraction.denominator)) if fraction else 0.0
