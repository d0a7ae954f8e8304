"""Indices come in; their letters go out, and what a text must say so that the range of each follows from it."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from symgrad.core import equation as eq
from symgrad.core.shape import size_text
from symgrad.views.compose import Idx, NoMatrixForm

__all__ = ["Letters", "declared", "with_ranges"]

POOL = "ijklpqrstuvabcdefghmnowxyz"


class Letters:
    """Names for indices: the letter the user gave to a range of that size, else the size's own letter, else i, j, k, ..."""

    def __init__(self, ranges: Mapping[str, object], reserved: Sequence[str] = ()) -> None:
        self.by_size: dict[object, str] = {}
        self.by_name = dict(ranges)
        for name, size in ranges.items():
            self.by_size.setdefault(size, name)
        self.given: dict[Idx, str] = {}
        self.taken: set[str] = set(reserved)

    def copy(self) -> Letters:
        """The same letters so far."""
        found = Letters(self.by_name, ())
        found.given, found.taken = dict(self.given), set(self.taken)
        return found

    def __getitem__(self, i: Idx) -> str:
        if i not in self.given:
            size = i.size
            wish = self.by_size.get(size) or (str(size)[0].lower() if isinstance(size, str) and size[0].isalpha() else "i")
            closed = self.taken | {name for name, s in self.by_name.items() if s != size}
            if wish in closed:
                wish = next((c for c in POOL if c not in closed), f"i{len(self.taken)}")
            self.given[i] = wish
            self.taken.add(wish)
        return self.given[i]

    def show(self, index: eq.Index) -> str:
        """An index as text; an affine one counts from 1."""
        if isinstance(index, Idx):
            return self[index]
        constant, terms = eq.affine_parts(index)
        out = ""
        for name, c in terms.items():
            out += ("-" if c < 0 else "+" if out else "") + (f"{abs(c)}*" if abs(c) != 1 else "") + self[name]  # type: ignore[index]  # names of an affine index are indices
        shift = constant + 1 - sum(terms.values())
        return out + (f"{shift:+d}" if shift and out else "" if out else str(shift))


def declared(body: str, letters: Letters, F: Sequence[Idx]) -> list[str]:
    """`index p = 1..3` for each index of the left side that the text has in affine indices only: its range follows from nothing else."""
    inner = re.findall(r"(delta)?\[([^\]]*)\]", body)
    entries = [c for delta, inside in inner for c in inside.split(",") if not delta or not re.search(r"[-+*]", inside)]
    entries += [f"0+{c}" for delta, inside in inner for c in inside.split(",") if delta and re.search(r"[-+*]", inside)]
    found = []
    for i in F:
        word = re.compile(rf"\b{letters[i]}\b")
        if isinstance(i.size, int | str) and letters[i] not in {*letters.by_name, *entries} and any(word.search(c) for c in entries):
            found.append(f"index {letters[i]} = 1..{i.size}")
            letters.by_name[letters[i]] = i.size
    return found


def with_ranges(body: str, letters: Letters, F: Sequence[Idx]) -> str:
    """The text, with `ones(n)[i]` or `eye(n)[i,j]` where the range of an index on the left would follow from nothing.

    A reader knows the range of an index that stands on an axis of a name before it reads a term, of any other one only behind it.
    """
    if "floor(" in body or any("floor(" in size_text(i.size) for i in F):
        raise NoMatrixForm("a size that is rounded down has no word: declare it as a number")
    names = [letters[i] for i in F]
    plain = re.sub(r"delta\[[^\]]*\]", "", body)
    pairs = [(i, j) for i, j in (m.split(",") for m in re.findall(r"delta\[([^\]]*)\]", body)) if i in names and j in names]
    known = {c for inside in re.findall(r"(?<![\w)'])[A-Za-z]\w*'*\[([^\]]*)\]", plain) for c in inside.split(",")} | set(letters.by_name)
    for i, j in pairs:
        if i not in known and j not in known:
            size = size_text(F[names.index(i)].size)
            body = body.replace(f"delta[{i},{j}]", f"eye({size})[{i},{j}]")
    apart = re.sub(r"delta\[[^\]]*\]", "", body)           # a delta tells a range only where it meets an index that has one
    seen = {c for inside in re.findall(r"\[([^\]]*)\]", apart) for c in inside.split(",")} | set(letters.by_name)
    for pair in pairs:
        seen |= set(pair) if set(pair) & seen else set()
    missing = [i for i in F if letters[i] not in seen]
    if not missing:
        return body
    if body == "0":
        return f"zeros({','.join(size_text(i.size) for i in F)})[{','.join(names)}]"
    ones = "*".join(f"ones({size_text(i.size)})[{letters[i]}]" for i in missing)
    return ones if body == "1" else f"{ones}*{body}" if " " not in body and not body.startswith("-") else f"{ones}*({body})"
