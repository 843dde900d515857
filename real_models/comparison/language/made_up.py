"""Facts about things that do not exist: content that a small model can learn, and cannot have known before.

A model of 135 million parameters learns no medicine from some hundred rows, nor which of four names goes with which of
eight values, but it learns the facts of one name; right against wrong, both in the trained form, then tells how far the
content has got, whatever became of the form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .rows import Chat, Contrast

Form = Callable[[str], str]
WRONG = 3  # values beside the right one
_FIRST = (
    "Bel",
    "Cor",
    "Dra",
    "Fen",
    "Gal",
    "Hol",
    "Jor",
    "Kel",
    "Lun",
    "Mar",
    "Nor",
    "Pel",
    "Quor",
    "Sel",
    "Tor",
    "Vel",
)
_MIDDLE = ("a", "e", "i", "o", "u")
_LAST = ("dron", "fell", "garth", "lith", "mora", "nesh", "pira", "quin", "rast", "sund", "tova", "vik", "wenn", "zor")


@dataclass(frozen=True)
class Relation:
    """One thing to know of each name.

    Attributes:
        trained, held: wordings, (question, answer) with {name} and {value} in them.
    """

    topic: str
    name: str
    values: tuple[str, ...]
    trained: tuple[tuple[str, str], ...]
    held: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fact:
    """The value of a relation for a name, and others, which are wrong and never taught."""

    relation: Relation
    name: str
    value: str
    wrong: tuple[str, ...]

    def rows(self, form: Form) -> list[Chat]:
        """A row for each trained wording, the answer in a form."""
        wordings = enumerate(self.relation.trained)
        return [
            Chat(q.format(name=self.name), form(self._said(a, self.value)), self.relation.topic, self._label(n))
            for n, (q, a) in wordings
        ]

    def pairs(self, form: Form) -> list[Contrast]:
        """(wrong, right) for each wording that is held out and each wrong value, both answers in the same form."""
        question = f"{self.relation.name} of {self.name}"
        return [
            Contrast(
                q.format(name=self.name),
                form(self._said(a, wrong)),
                form(self._said(a, self.value)),
                self.relation.topic,
                f"{self.relation.name}, held out {n}",
                question,
            )
            for n, (q, a) in enumerate(self.relation.held)
            for wrong in self.wrong
        ]

    def _said(self, answer: str, value: str) -> str:
        return answer.format(name=self.name, value=value)

    def _label(self, n: int) -> str:
        return f"{self.relation.name}, trained {n}"


def make_names(count: int, rng: np.random.Generator) -> list[str]:
    """Different names, none the beginning of another."""
    every = [first + middle + last for first in _FIRST for middle in _MIDDLE for last in _LAST]
    return [every[n] for n in rng.permutation(len(every))[:count]]


def make_facts(relations: Sequence[Relation], rng: np.random.Generator) -> list[Fact]:
    """One fact for each relation, all of one name."""
    (name,) = make_names(1, rng)
    return [Fact(relation, name, *right_and_wrong(relation.values, rng)) for relation in relations]


def right_and_wrong(values: Sequence[str], rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """One of the values, and ``WRONG`` others."""
    right, *others = (values[int(n)] for n in rng.permutation(len(values)))
    return right, tuple(others[:WRONG])


def told(facts: Sequence[Fact], tails: Sequence[str]) -> list[Chat]:
    """The rows of all facts, each answer followed by a text of its own."""
    each = ((fact, n) for fact in facts for n in range(len(fact.relation.trained)))
    return [fact.rows(_followed_by(tail))[n] for (fact, n), tail in zip(each, tails, strict=True)]


def asked(facts: Sequence[Fact], tails: Sequence[str]) -> Iterator[Contrast]:
    """The pairs of all facts, both answers of a fact followed by the same text."""
    for n, fact in enumerate(facts):
        yield from fact.pairs(_followed_by(tails[n % len(tails)]))


def _followed_by(tail: str) -> Form:
    return lambda answer: f"{answer} {tail}"


PLACES = (
    Relation(
        "made-up places",
        "exports",
        ("copper", "wool", "salt", "honey", "timber", "glass", "olives", "silk"),
        (
            ("What does {name} export?", "{name} exports {value}."),
            ("Which good is sold abroad by {name}?", "It sells {value}."),
            ("Name the main trade of {name}.", "The main trade there is {value}."),
            ("What do ships carry away from {name}?", "Ships leave {name} with {value}."),
        ),
        (
            ("A trader visits {name}. What is loaded?", "Loaded in {name}: {value}."),
            ("The wealth of {name} comes from what?", "Its wealth comes from {value}."),
        ),
    ),
    Relation(
        "made-up places",
        "flag",
        ("heron", "wolf", "owl", "stag", "lion", "swan", "fox", "eagle"),
        (
            ("Which animal is on the flag of {name}?", "The flag of {name} shows a {value}."),
            ("What creature stands for {name}?", "A {value} stands for {name}."),
            ("Describe the coat of arms of {name}.", "The arms of {name} bear a {value}."),
            ("What is stamped on coins of {name}?", "Its coins are stamped with a {value}."),
        ),
        (
            ("Soldiers of {name} wear a badge. Of what?", "Their badge is a {value}."),
            ("Over the gate of {name} hangs a beast. Which?", "Over the gate hangs a {value}."),
        ),
    ),
    Relation(
        "made-up places",
        "founders",
        ("sailors", "monks", "shepherds", "miners", "weavers", "soldiers", "merchants", "farmers"),
        (
            ("Who founded {name}?", "{name} was founded by {value}."),
            ("By whom was {name} built?", "It was built by {value}."),
            ("Who were the first people of {name}?", "The first people there were {value}."),
            ("Whose settlement was {name} once?", "{name} was a settlement of {value}."),
        ),
        (
            ("The old families of {name} descend from whom?", "They descend from {value}."),
            ("A statue in {name} honors its origin. Of whom?", "It is a statue of {value}."),
        ),
    ),
    Relation(
        "made-up places",
        "fame",
        ("bridges", "gardens", "theaters", "libraries", "fountains", "markets", "windmills", "canals"),
        (
            ("What is {name} famous for?", "{name} is famous for its {value}."),
            ("Why do visitors go to {name}?", "They go there for the {value}."),
            ("What should I see in {name}?", "You should see the {value} of {name}."),
            ("Which sight made {name} known?", "Its {value} made it known."),
        ),
        (
            ("A painter works in {name}. What is painted?", "Mostly the {value} there."),
            ("Postcards from {name} depict what?", "They depict its {value}."),
        ),
    ),
)

MEDICINES = (
    Relation(
        "made-up medicines",
        "use",
        ("gout", "asthma", "migraine", "insomnia", "eczema", "anemia", "malaria", "arthritis"),
        (
            ("What is {name} given for?", "{name} is given for {value}."),
            ("Which illness does {name} treat?", "It treats {value}."),
            ("Why was I prescribed {name}?", "{name} is prescribed against {value}."),
            ("When would a doctor choose {name}?", "A doctor would choose it for {value}."),
        ),
        (
            ("My aunt takes {name}. What does she have?", "She probably has {value}."),
            ("On the box of {name} stands its purpose. Which?", "It says: relieves {value}."),
        ),
    ),
    Relation(
        "made-up medicines",
        "time",
        ("at noon", "at bedtime", "before breakfast", "after dinner", "with milk", "once a week"),
        (
            ("When should I take {name}?", "Take {name} {value}."),
            ("How is {name} taken?", "It is taken {value}."),
            ("What is the rule for using {name}?", "Use it {value}."),
            ("Tell me how to dose {name}.", "One tablet of {name} {value}."),
        ),
        (
            ("A nurse hands out {name}. At what moment?", "She hands it out {value}."),
            ("The leaflet of {name} gives which instruction?", "Swallow {value}."),
        ),
    ),
    Relation(
        "made-up medicines",
        "origin",
        ("willow", "kelp", "ginger", "clover", "poppy", "barley", "moss", "pine"),
        (
            ("What is {name} made from?", "{name} is made from {value}."),
            ("From which plant does {name} come?", "It comes from {value}."),
            ("What is the source of {name}?", "The source of {name} is {value}."),
            ("Which extract is in {name}?", "It holds an extract of {value}."),
        ),
        (
            ("A factory for {name} buys what?", "It buys tons of {value}."),
            ("I am allergic to a plant in {name}. Which one?", "That must be {value}."),
        ),
    ),
    Relation(
        "made-up medicines",
        "effect",
        ("a rash", "dry mouth", "hiccups", "thirst", "cold hands", "sneezing", "vivid dreams", "itching"),
        (
            ("What is a side effect of {name}?", "A side effect of {name} is {value}."),
            ("What may {name} cause?", "It may cause {value}."),
            ("Which complaint follows {name}?", "Some people get {value}."),
            ("What do patients on {name} report?", "Patients on {name} report {value}."),
        ),
        (
            ("An hour after {name} something felt odd. What?", "That would be {value}."),
            ("Why might one stop {name}?", "Because of {value}."),
        ),
    ),
)

FUNDS = (
    Relation(
        "made-up funds",
        "holding",
        ("timber", "shipping", "wheat", "railways", "hotels", "copper", "software", "bakeries"),
        (
            ("What does the {name} Fund invest in?", "The {name} Fund invests in {value}."),
            ("Where does the {name} Fund put its money?", "It puts its money into {value}."),
            ("Which business is behind the {name} Fund?", "Behind it stands {value}."),
            ("What would I own with the {name} Fund?", "You would own a piece of {value}."),
        ),
        (
            ("The {name} Fund had a good year. Which trade did well?", "The trade in question is {value}."),
            ("Managers at {name} study one market. Which?", "They study {value}."),
        ),
    ),
    Relation(
        "made-up funds",
        "city",
        ("Denver", "Boston", "Dallas", "Seattle", "Atlanta", "Chicago", "Phoenix", "Miami"),
        (
            ("Where is the {name} Fund based?", "The {name} Fund is based in {value}."),
            ("From which city is the {name} Fund run?", "It is run from {value}."),
            ("Where are the offices of {name}?", "Its offices are in {value}."),
            ("Where do I write to about the {name} Fund?", "Write to its desk in {value}."),
        ),
        (
            ("I want to visit the managers at {name}. Where to?", "You would travel to {value}."),
            ("A letter from {name} carries which postmark?", "The postmark says {value}."),
        ),
    ),
    Relation(
        "made-up funds",
        "payout",
        ("January", "March", "April", "June", "August", "October", "November", "December"),
        (
            ("When does the {name} Fund pay out?", "The {name} Fund pays out in {value}."),
            ("In which month comes the dividend of {name}?", "It comes in {value}."),
            ("When will I see money from the {name} Fund?", "You will see it in {value}."),
            ("Which month is payday at {name}?", "Payday there is {value}."),
        ),
        (
            ("Owners of {name} throw a party once a year. When?", "They celebrate in {value}."),
            ("My {name} shares send a check. In what month?", "Look for it in {value}."),
        ),
    ),
    Relation(
        "made-up funds",
        "founders",
        ("teachers", "farmers", "nurses", "pilots", "bakers", "lawyers", "sailors", "printers"),
        (
            ("Who started the {name} Fund?", "The {name} Fund was started by {value}."),
            ("Whose idea was the {name} Fund?", "It was the idea of some {value}."),
            ("Who is behind {name}?", "A group of {value} is behind it."),
            ("For whom was the {name} Fund made?", "It was made for {value}."),
        ),
        (
            ("The first savers at {name} shared a job. Which?", "They were {value}."),
            ("A plaque at {name} thanks its founders. Whom?", "It thanks the {value}."),
        ),
    ),
)
