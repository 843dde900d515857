"""One line of plain-text mathematics as MathML, which browsers typeset by themselves."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from html import escape

from .notation import FUNCTIONS, Token, tokens

ACCENTS = {"\u0302": "^", "\u0303": "~", "\u0304": "¯", "\u0305": "¯"}
CLOSING = {"(": ")", "[": "]", "{": "}", "⟨": "⟩"}
RELATED = frozenset("=≤≥<>→←≠≈∝∥⟂±∈≻≪≫~")
BINARY = frozenset("+−·×-")


class NotBalanced(ValueError):
    """A bracket that is opened or closed on another line: such a line is set without grouping."""


@dataclass
class Node:
    """A piece of the formula.

    Attributes:
        markup: its MathML.
        grouped: the same without its outer brackets, for a fraction; empty where it has none.
        tight: whether no space stands before it.
        named: whether it is a variable, so that a bracket behind it may hold its argument.
    """

    markup: str
    grouped: str = ""
    tight: bool = False
    named: bool = False

    @property
    def bare(self) -> str:
        """Without outer brackets where there are any."""
        return self.grouped or self.markup


def line(text: str) -> str:
    """A ``<math>`` element for one line; brackets that do not close on the line are set as they stand."""
    found = list(tokens(text.strip()))
    try:
        body = _Parser(found).whole()
    except NotBalanced:
        body = "".join(_plain(token) for token in found)
    return f'<math display="block" class="formula"><mrow>{body}</mrow></math>'


def _plain(token: Token) -> str:
    if token.kind == "space":
        return '<mspace width="0.25em"/>'
    if token.kind in ("super", "sub"):
        return f"<m{token.kind[:3]}><mrow/><mn>{escape(token.text)}</mn></m{token.kind[:3]}>"
    if token.kind == "script":
        return f"<mtext>{token.text}</mtext>"
    return _atom(token)


def _atom(token: Token) -> str:
    text = escape(token.text)
    if token.kind == "name":
        letter, *marks = unicodedata.normalize("NFD", token.text)
        if marks and marks[0] in ACCENTS:  # a letter with its accent in one has no italic form
            accent = f'<mo stretchy="false">{ACCENTS[marks[0]]}</mo>'
            return f'<mover accent="true"><mi>{letter}</mi>{accent}</mover>'
        return f"<mi>{text}</mi>"
    if token.kind == "number":
        return f"<mn>{text}</mn>"
    if token.kind == "word":
        return f'<mi mathvariant="normal">{text}</mi>' if token.text in FUNCTIONS else f"<mtext>{text}</mtext>"
    if token.kind in ("open", "close", "bar"):
        return f'<mo stretchy="false" fence="true">{text}</mo>'
    if token.text in ",;:.":
        return f"<mtext>{text}</mtext>"
    if token.text == "'":
        return "<mo>′</mo>"
    space = ' lspace="0.28em" rspace="0.28em"' if token.text in RELATED else ""
    space = ' lspace="0.2em" rspace="0.2em"' if token.text in BINARY else space or ' lspace="0" rspace="0"'
    return f'<mo stretchy="false"{space}>{text}</mo>'


class _Parser:
    """Recursive descent over the tokens: brackets, then scripts, then a fraction of the two factors at a slash."""

    def __init__(self, found: list[Token]) -> None:
        self.found, self.at = found, 0
        self.raised = 0  # how many scripts deep: there a slash stays a slash

    def whole(self) -> str:
        body = self._row(None)
        if self.at < len(self.found):
            raise NotBalanced
        return body

    def _peek(self) -> Token | None:
        return self.found[self.at] if self.at < len(self.found) else None

    def _row(self, end: str | None) -> str:
        """Up to the closing bracket ``end``, or the end of the line."""
        nodes: list[Node] = []
        tight = False
        while (token := self._peek()) is not None:
            if token.text == end and token.kind in ("close", "bar"):
                break
            if token.kind == "close":
                raise NotBalanced
            if token.kind == "space":
                self.at += 1
                if nodes:
                    nodes.append(Node(_gap(token, nodes[-1], self._peek())))
                tight = False
                continue
            if token.text == "/" and not self.raised and _can_be_above(nodes):
                self.at += 1
                self._skip_space()
                below = self._factor()
                while nodes[-1].markup.startswith("<mspace"):
                    nodes.pop()
                above = nodes.pop()
                top = above.bare
                if above.tight and above.grouped and nodes and nodes[-1].named:  # f(x)/y: the function belongs to it
                    top = nodes.pop().markup + above.markup
                nodes.append(Node(f"<mfrac><mrow>{top}</mrow><mrow>{below.bare}</mrow></mfrac>"))
                tight = True
                continue
            node = self._factor()
            node.tight = tight
            nodes.append(node)
            tight = True
        return "".join(node.markup for node in nodes)

    def _skip_space(self) -> None:
        while (token := self._peek()) is not None and token.kind == "space":
            self.at += 1

    def _factor(self) -> Node:
        """An atom, a root or a bracket, with the scripts behind it."""
        token = self._peek()
        if token is None or token.kind == "close":
            raise NotBalanced
        self.at += 1
        if token.kind in ("open", "bar"):
            end = CLOSING.get(token.text, token.text)
            inner = self._row(end)
            closing = self._peek()
            if closing is None:
                raise NotBalanced
            self.at += 1
            markup = f"<mrow>{_fence(token.text)}{inner}{_fence(closing.text)}</mrow>"
            node = Node(markup, grouped=inner if token.text == "(" else "")
        elif token.kind == "root":
            node = Node(f"<msqrt><mrow>{self._factor().bare}</mrow></msqrt>")
        elif token.kind in ("super", "sub"):  # with nothing before it
            return Node(_plain(token))
        elif token.kind == "script":
            raise NotBalanced
        else:
            node = Node(_atom(token), named=token.kind == "name")
        return self._scripted(node)

    def _scripted(self, node: Node) -> Node:
        below = above = ""
        while (token := self._peek()) is not None:
            if token.kind == "sub" and not below:
                self.at += 1
                below = f"<mn>{escape(token.text)}</mn>"
            elif token.kind == "super" and not above:
                self.at += 1
                above = "".join(f"<mi>{c}</mi>" if c.isalpha() else f"<mn>{c}</mn>" for c in token.text)
                above = above.replace("<mi>T</mi>", '<mi mathvariant="normal">T</mi>')
            elif token.kind == "number" and node.named and not below:  # A0, W0
                self.at += 1
                below = f"<mn>{token.text}</mn>"
            elif token.kind == "script" and not (below if token.text == "_" else above):
                self.at += 1
                script = self._script()
                below, above = (script, above) if token.text == "_" else (below, script)
            elif token.text == "'" and not above:
                self.at += 1
                above = "<mo>′</mo>"
            else:
                break
        if not below and not above:
            return node
        base, named = node.markup, node.named
        if below and above:
            return Node(f"<msubsup>{base}<mrow>{below}</mrow><mrow>{above}</mrow></msubsup>", named=named)
        kind, script = ("sub", below) if below else ("sup", above)
        return Node(f"<m{kind}>{base}<mrow>{script}</mrow></m{kind}>", named=named)

    def _script(self) -> str:
        """What follows ``_`` or ``^``: one token, or a bracket without its brackets."""
        token = self._peek()
        if token is None:
            raise NotBalanced
        if token.kind == "open" and token.text in "({":
            self.at += 1
            self.raised += 1
            inner = self._row(CLOSING[token.text])
            self.raised -= 1
            if self._peek() is None:
                raise NotBalanced
            self.at += 1
            return inner
        self.at += 1
        script = _atom(token)
        while (more := self._peek()) is not None and more.kind in ("sub", "number"):  # P_u₁, c_01
            self.at += 1
            script = f"<msub>{script}<mn>{more.text}</mn></msub>"
        return script


def _can_be_above(nodes: list[Node]) -> bool:
    """Whether what is before a slash can be above it: a formula, not a word of prose or a relation."""
    last = next((n for n in reversed(nodes) if not n.markup.startswith("<mspace")), None)
    return last is not None and not last.markup.startswith(("<mtext", "<mo "))


def _fence(text: str) -> str:
    return f'<mo stretchy="false" fence="true" lspace="0" rspace="0">{escape(text)}</mo>'


def _gap(token: Token, before: Node, behind: Token | None) -> str:
    """Space as wide as its part: columns stay apart, words keep their blank, operators bring their own."""
    if len(token.text) > 1:
        return '<mspace width="1.6em"/>'
    wordy = before.markup.startswith("<mtext") or (behind is not None and behind.kind == "word")
    return f'<mspace width="{"0.3em" if wordy else "0.12em"}"/>'
