"""A docstring in plain text as reStructuredText: prose with real letters and scripts, formulas as MathML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from . import mathml
from .notation import FUNCTIONS, GREEK, Token, tokens

Link = Callable[[str], str | None]  # the target of ``name`` in double backticks, None where it is only code

ITEM = re.compile(r"(\([ivxa-h]+\) |- |\d\. )")
ARGUMENT = re.compile(r"(\w+(?:, \w+)*) : ")
_NAMED = r"(?:Statement|Setting|Assumes|Proof|Source|Not claimed)(?: \([^)]*\))?[.:]"
LABEL = re.compile(rf"({_NAMED}|\d\. [A-Z][a-z]+(?: \([^)]*\))?\.)(?= |$)")
# input_ids and the like; a Greek letter with an index is none
CODE = rf"(?<![\w.])(?!(?:{'|'.join(GREEK)})_)[a-z]{{2,}}(?:_[a-z0-9]{{2,}})+(?!\w)"
MARKED = re.compile(rf"(``.+?``|:\w+:`[^`]+`|\*\*.+?\*\*|(?<![\w*])\*\w[^*]*\w\*(?!\w)|{CODE})")
HEADING = re.compile(r"(\w+)\n-{3,}\n?")  # of numpydoc
SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")  # of Google's form
COLUMNS = re.compile(r"\S {2,}\S")
# after "a" or "A" the article stands before another word, a variable before one of these
_AFTER_VARIABLES = "and or in is of to for with at by from as are gives has does moves turns be on if iff but was off"
NO_NOUN = frozenset(_AFTER_VARIABLES.split())


def blocks(text: str, *, link: Link = lambda name: None) -> str:
    """A whole docstring, its title line left out by the caller.

    A block that begins with four blanks or more is a formula a line; one with columns stays as it was typed; one with
    two or three goes on with the item before it; every other one is prose, its items "(i)" and "1." each a paragraph.
    Sections of numpydoc and of Google's form become a list of their names.
    """
    out = []
    for block in re.split(r"\n\s*\n", HEADING.sub(r"**\1**\n\n", text.strip("\n"))):
        lines = [piece for piece in block.split("\n") if piece.strip()]
        if not lines:
            continue
        section = SECTION.match(lines[0])
        if section:
            out.append(f"**{section[1]}**")
            out.extend(prose(item, link=link) for item in _arguments(lines[1:]))
            continue
        indent = min(len(piece) - len(piece.lstrip()) for piece in lines)
        first = len(lines[0]) - len(lines[0].lstrip())
        if indent >= 4 and _tabular(lines):
            out.append("::\n\n" + "\n".join("   " + spelled(piece[indent:]) for piece in lines))
        elif indent >= 4:
            out.append(formulas(lines))
        elif first == 2 and COLUMNS.search(lines[0].strip()):
            out.extend(_described(lines, link))
        else:
            out.extend(prose(item, link=link) for item in _items(lines))
    return "\n\n".join(out)


def _arguments(lines: list[str]) -> Iterator[str]:
    """Lines "    name: what it is", wrapped further in, as "name : what it is"; others as they are."""
    rows: list[str] = []
    indent = min((len(piece) - len(piece.lstrip()) for piece in lines), default=0)
    for piece in lines:
        if rows and len(piece) - len(piece.lstrip()) > indent:
            rows[-1] += " " + piece.strip()
        else:
            rows.append(re.sub(r"^(\w+(?:, \w+)*): ", r"\1 : ", piece.strip()))
    yield from rows


def _tabular(lines: list[str]) -> bool:
    """Whether the lines have columns: two gaps or more that stand one under the other."""
    starts = [{m.end() - 1 for m in COLUMNS.finditer(piece)} for piece in lines]
    return sum(len(one & other) >= 1 for one, other in pairwise(starts)) >= 2


def spelled(text: str) -> str:
    """A line of a table with spelled letters replaced, each column where it was."""
    pattern = rf"(?<![A-Za-z])({'|'.join(GREEK)})(?![A-Za-z])([^ ]*(?: [^ ]+)*)"
    return re.sub(pattern, lambda m: GREEK[m[1]] + spelled(m[2]) + " " * (len(m[1]) - 1), text.replace("<=", "≤ "))


def formulas(lines: list[str]) -> str:
    """Each line as a MathML formula."""
    rows = "\n".join(f"   {mathml.line(piece)}" for piece in lines)
    return f'.. raw:: html\n\n   <div class="formulas">\n{rows}\n   </div>'


def _items(lines: list[str]) -> Iterator[str]:
    """Wrapped lines joined; "(i)", "- ", "1. " and "argument : " begin a new paragraph."""
    joined = ""
    for piece in (one.strip() for one in lines):
        if joined and (ITEM.match(piece) or ARGUMENT.match(piece)):
            yield joined
            joined = piece
        else:
            joined = f"{joined} {piece}".strip()
    yield joined


def _described(lines: list[str], link: Link) -> Iterator[str]:
    """Lines "  name     what it is", wrapped further in: a paragraph each with the name in bold."""
    rows: list[str] = []
    for piece in lines:
        if len(piece) - len(piece.lstrip()) == 2:
            rows.append(piece.strip())
        else:
            rows[-1] += " " + piece.strip()
    for row in rows:
        name, _, rest = row.partition("  ")
        yield f"**{_escape(name)}** {prose(rest.strip(), link=link)}"


def prose(text: str, *, link: Link = lambda name: None) -> str:
    """One paragraph: literals stay, ``**bold**`` stays, letters and scripts are set."""
    out = []
    label = LABEL.match(text)
    if label:
        out.append(f"**{_escape(''.join(_shown(label[1])))}**")
        text = text[label.end() :]
    named = ARGUMENT.match(text)
    if named:
        out.append(f"{', '.join(f'``{name}``' for name in named[1].split(', '))} : ")
        text = text[named.end() :]
    for part in MARKED.split(text):
        if part.startswith("``"):
            name = part.strip("`")
            target = link(name)
            out.append(_glued(f":doc:`{name} <{target}>`" if target else part))
        elif re.fullmatch(CODE, part):
            out.append(_glued(f"``{part}``"))
        elif re.match(r":\w+:`", part):
            name = part.split("`")[1].lstrip("~!").rpartition(".")[2]
            out.append(_glued(f"``{name}``"))
        elif part.startswith("**"):
            out.append(_glued(f"**{_escape(''.join(_shown(part[2:-2])))}**"))
        elif part.startswith("*") and len(part) > 2:
            out.append(_glued(f"*{_escape(part[1:-1])}*"))
        else:
            out.append(_set(part))
    made = "".join(out).strip()
    return made if made.startswith(("\\ ", "**", "``", ":")) else "\\ " + made


def _glued(markup: str) -> str:
    return f"\\ {markup}\\ "


def _escape(text: str) -> str:
    return re.sub(r"([\\*`|_:<>])", r"\\\1", text)


def _shown(text: str) -> Iterator[str]:
    """The tokens' own text, scripts as the characters they were."""
    for token in tokens(text):
        yield token.flat


def _set(text: str) -> str:
    """Plain text: variables in italics, subscripts and superscripts raised."""
    found, out, at = list(tokens(text)), [], 0
    while at < len(found):
        token = found[at]
        if token.kind == "name" and not (_article(found, at) or _ending(found, at)):
            out.append(_glued(f":var:`{_escape(token.text)}`"))
            after = found[at + 1] if at + 1 < len(found) else None
            if after is not None and after.kind == "number" and len(token.text) == 1:  # A0, W0
                out.append(_glued(f":sub:`{after.text}`"))
                at += 1
        elif token.kind == "super":
            out.append(_glued(f":sup:`{token.text}`"))
        elif token.kind == "sub":
            out.append(_glued(f":sub:`{token.text}`"))
        elif token.kind == "script" and at and _takes_script(found[at - 1]):
            script, at = _argument(found, at + 1)
            if script:
                out.append(_glued(f":{'sub' if token.text == '_' else 'sup'}:`{_escape(script)}`"))
                continue
            out.append(_escape(token.text))
            continue
        else:
            out.append(_escape(token.text))
        at += 1
    return "".join(out)


def _takes_script(token: Token) -> bool:
    """Whether ``_`` or ``^`` behind it begins a script: behind a letter, a number, a bracket or the sign of a sum."""
    return token.text == "Σ" or token.kind not in ("space", "sign", "open")


def _article(found: list[Token], at: int) -> bool:
    """Whether "a" or "A" is the article: not part of a formula, and before a word that can be a noun's."""
    if found[at].text not in ("a", "A") or (at and found[at - 1].text not in (" ", "(", '"', "“")):
        return False
    ahead = found[at + 1 : at + 3]
    if len(ahead) < 2:
        return not ahead
    following, hyphen = ahead[1], found[at + 3].text if at + 3 < len(found) else ""
    noun = following.kind == "word" and following.text not in NO_NOUN | FUNCTIONS
    compound = following.kind in ("word", "name") and hyphen == "-"  # "a k-dimensional", "a rank-r"
    return ahead[0].kind == "space" and (noun or compound)


def _ending(found: list[Token], at: int) -> bool:
    """Whether the letter is the s of a genitive, or the t of "don't"."""
    owner = ("word", "name", "number") if found[at].text == "s" else ("word",) if found[at].text == "t" else ()
    return at > 1 and found[at - 1].text in "'’" and found[at - 2].kind in owner


def _argument(found: list[Token], at: int) -> tuple[str, int]:
    """The text of a script that begins at ``at``, and where it ends; nothing where it is not closed in this part."""
    if at >= len(found) or found[at].kind in ("space", "sign", "close"):
        return "", at
    closing = {"(": ")", "{": "}"}.get(found[at].text)
    if closing is None:
        end = at + 1
        while end < len(found) and found[end].kind in ("sub", "number"):
            end += 1
        return "".join(token.flat for token in found[at:end]), end
    depth = 0
    for end in range(at, len(found)):
        depth += (found[end].text == found[at].text) - (found[end].text == closing)
        if depth == 0:
            return "".join(token.flat for token in found[at + 1 : end]), end + 1
    return "", at
