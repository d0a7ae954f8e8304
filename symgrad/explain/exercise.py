"""A derivation as exercise sheets: the same network with other numbers in every variant, blanks and choices, and a key that says what went wrong."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symgrad.core.node import Node, topological
from symgrad.core.shape import Shape, shape_text
from symgrad.errors import InputError, MissingValueError
from symgrad.explain.document import Block, Document, Equation, Inline, Line, ListBlock, Math, Paragraph, Section
from symgrad.explain.formulas import words
from symgrad.explain.frame import Material, Teller
from symgrad.explain.mistakes import KINDS, Mistake, apart, mistakes_of
from symgrad.explain.numbers import between, given_lines, wanted_nodes
from symgrad.explain.values import Numbers, array_math, easy_values, related
from symgrad.results import Derivation, Derivative
from symgrad.run.evaluate import Functions
from symgrad.views.chain import factors_of, named_chain
from symgrad.views.matrix import Form

__all__ = ["ANSWERS", "BLANKS", "Exercise", "Wanted", "exercise_of"]

BLANKS = ("values", "gradients", "shapes", "all")
"""What is asked for: numbers of the forward pass; gradients, in numbers and as formulas; shapes of Jacobians; everything."""
ANSWERS = ("blanks", "choice", "both")
OPTIONS = 4
BLANK = Math(r"\ldots\ldots\ldots", "________")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What sheets are asked for. Raises InputError for a word or number that means nothing."""

    blank: str = "gradients"
    kind: str = "both"
    level: int = 2
    count: int = 10
    seed: int = 0
    digits: int = 4
    title: str = ""

    def __post_init__(self) -> None:
        for name, value, known in (("blank", self.blank, BLANKS), ("kind", self.kind, ANSWERS)):
            if value not in known:
                raise InputError(f"{name} is one of {', '.join(known)}, not {value!r}")
        for name, number, last in (("level", self.level, 3), ("count", self.count, 500), ("digits", self.digits, 15)):
            if not 1 <= number <= last:
                raise InputError(f"{name} is a whole number from 1 to {last}, not {number}")


@dataclass(frozen=True, slots=True)
class Exercise:
    """The sheets and their key, as documents of the same sections."""

    sheet: Document
    key: Document


@dataclass(frozen=True, slots=True)
class _Question:
    asked: tuple[Block, ...]
    answer: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _Option:
    shown: tuple[Inline, ...]
    why: tuple[Inline, ...] = ()                           # empty for the right one


def exercise_of(d: Derivation, material: Material, wanted: Wanted, functions: Functions) -> Exercise:
    """Exercise sheets on a derivation, and their key.

    Every wrong option is a mistake that people make (`mistakes.KINDS`), and was compared with the right one and with the other options at
    random values, and where it is a number, at the numbers of its variant. functions: unknown functions; those without a value are taken as
    `easy_functions` says, and the sheet says so; where there is none, questions that need numbers are left out. Raises InputError where nothing can be asked.
    """
    return _Sheets(d, material, wanted, functions).made()


class _Sheets:
    def __init__(self, d: Derivation, material: Material, wanted: Wanted, functions: Functions) -> None:
        self.d, self.w, self.functions = d, wanted, functions
        self.teller = Teller(d, material)
        self.typeset = self.teller.typeset
        depth = sorted((k for k, x in d.derivatives.items() if x.node is not None), key=lambda k: self.length(d[k]))
        # Level 1 asks for the variables next to the output, level 3 for those farthest from it.
        half = (len(depth) + 1) // 2
        self.asked = depth[:half] if wanted.level == 1 else depth[-half:] if wanted.level == 3 else depth
        self.mistakes = {k: mistakes_of(d[k], d[k].viewer.names) for k in self.asked} if not d.output.rank else {}
        self.numeric = True

    def length(self, x: Derivative) -> int:
        return len(factors_of(named_chain(x.output, x.variable, x.viewer.names))) if x.variable is not x.output else 0

    def made(self) -> Exercise:
        network = self.teller.network()
        sheets, keys = [network], [Section(words("About this key"), (Paragraph(words(
            "Every answer was computed from the derivation, which was ", str(self.teller.m.report), ". An approximate sign says that digits were "
            "left out.")),))]
        for k in range(1, self.w.count + 1):
            rng = np.random.default_rng([self.w.seed, k])
            sheet, key = self.variant(k, rng)
            sheets.append(sheet)
            keys.append(key)
        level = f"level {self.w.level}, seed {self.w.seed}"
        title = self.w.title or f"Exercises: the derivative of {self.d.of} by {', '.join(self.d.keys())}"
        meta = (("made by", "symgrad"),)
        return Exercise(Document(title, tuple(sheets), words(f"{self.w.count} variants, {level}"), meta=meta),
                        Document(f"Key. {title}", tuple(keys), words(f"{self.w.count} variants, {level}"), meta=meta))

    # ------------------------------------------------------------------ one variant
    def variant(self, k: int, rng: np.random.Generator) -> tuple[Section, Section]:
        numbers = self.numbers(int(rng.integers(1 << 30))) if self.numeric else None
        questions: list[_Question] = []
        blank = self.w.blank
        if blank in ("values", "all") or (self.w.level == 3 and blank == "gradients" and self.w.kind != "choice"):
            questions += self.values(numbers, rng)
        if blank in ("gradients", "all"):
            questions += self.gradients(numbers, rng)
        if blank in ("shapes", "all"):
            questions += self.shapes(rng)
        if not questions:
            raise InputError(f"nothing can be asked of this network with blank={blank!r} and kind={self.w.kind!r}: take another kind, or blank='all'")
        given: list[Block] = []
        if numbers is not None and blank != "shapes":
            given += [Paragraph(words("Given:")), Equation(tuple(given_lines(self.d, numbers, self.typeset)))]
            told = self.forward(numbers) if self.w.level < 3 and blank == "gradients" else []
            told += self.cotangents(numbers) if self.w.level == 1 and blank == "gradients" else []
            if told:
                given += [Paragraph(words("Computed already:")), Equation(tuple(told))]
        asked = ListBlock(tuple(q.asked for q in questions), ordered=True)
        answers = ListBlock(tuple(q.answer for q in questions), ordered=True)
        title = words(f"Variant {k}")
        return Section(title, (*given, asked), f"variant-{k}"), Section(title, (answers,), f"variant-{k}")

    def numbers(self, seed: int) -> Numbers | None:
        """The values of a variant; None where an unknown function has none."""
        try:
            values = easy_values(self.d.graph, seed, self.functions)
            wrong = [m.node for found in self.mistakes.values() for m in found]
            return Numbers([*wanted_nodes(self.d), *wrong], values, self.functions, self.d.graph.numbers, self.w.digits)
        except MissingValueError:
            self.numeric = False
            return None

    def forward(self, numbers: Numbers) -> list[Line]:
        return [Line((numbers.related(v),), self.typeset.math(n)) for n, v in self.defined().items()]

    def cotangents(self, numbers: Numbers) -> list[Line]:
        return [Line((numbers.related(self.d.sweep.cotangents[v]),), self.grad(n)) for n, v in between(self.d).items()]

    def defined(self) -> dict[str, Node]:
        below = set(self.d.graph.networkx([self.d.output]).nodes)
        return {n: v for n, v in self.d.graph.names.items() if v.operands and v in below}

    def grad(self, name: str) -> Math:
        of = self.d.of if self.d.of.isidentifier() else "f"
        return self.typeset.math(f"{'jac' if self.d.output.rank else 'grad'}({of}, {name})")

    # ------------------------------------------------------------------ questions
    def values(self, numbers: Numbers | None, rng: np.random.Generator) -> list[_Question]:
        """The numbers of the forward pass."""
        if numbers is None or self.w.kind == "choice":
            return []
        names = list(self.defined().items())
        return [self.blanks(words("Compute the forward pass, value by value."), [(self.typeset.math(n), numbers[v]) for n, v in names])] if names else []

    def gradients(self, numbers: Numbers | None, rng: np.random.Generator) -> list[_Question]:
        found: list[_Question] = []
        if not self.asked:
            return []
        names = list(rng.permutation(self.asked))
        if self.w.kind != "choice" and numbers is not None:
            name = str(names[0])
            node = self.d[name].node
            assert node is not None
            read = set(topological([node])) - {node}
            way = [(self.grad(n), numbers[c]) for n, v in between(self.d).items() if (c := self.d.sweep.cotangents[v]) in read and self.w.level > 1]
            found.append(self.blanks(words("Compute ", self.grad(name), " from these numbers." if not way else ", going back from the output step by step."),
                                     [*way, (self.grad(name), self.d[name].arranged(numbers[node]))]))
        if self.w.kind != "blanks":
            several = [str(n) for n in names if self.mistakes.get(str(n))]
            for ask, name in zip((self.formula, self.marked), several * 2, strict=False):
                found.append(ask(name, rng))
            if numbers is not None and self.w.kind == "choice" and several:
                found.append(self.number(several[0], numbers, rng))
        return found

    def formula(self, name: str, rng: np.random.Generator) -> _Question:
        """Which closed form is right?"""
        form = self.d[name].matrix.form
        options = [_Option(self.shown(form)), *(_Option(self.shown(m.form), self.why(m)) for m in self.drawn(self.mistakes[name], rng))]
        return self.choice(words("Which one is ", self.grad(name), "?"), options, rng)

    def number(self, name: str, numbers: Numbers, rng: np.random.Generator) -> _Question:
        """Which number is right? Options that look alike at these numbers are left out."""
        node = self.d[name].node
        assert node is not None
        taken: list[Node] = [node]
        options = [_Option((array_math(numbers[node], self.w.digits)[0],))]
        for m in self.drawn(self.mistakes[name], rng, len(self.mistakes[name])):
            value = numbers.trace[m.node]
            shown = _Option((array_math(numbers[m.node], self.w.digits)[0],), self.why(m))
            if all(apart(value, numbers.trace[t]) for t in taken) and all(shown.shown != o.shown for o in options) and len(options) < OPTIONS:
                taken.append(m.node)
                options.append(shown)
        return self.choice(words("What is ", self.grad(name), " at these numbers?"), options, rng)

    def marked(self, name: str, rng: np.random.Generator) -> _Question:
        """What is wrong with this line? Once in a while, nothing."""
        truth = self.d[name].matrix.form
        wrong = self.drawn(self.mistakes[name], rng)
        right = _Option(words("nothing: the line is right"), words("the right line is ", *self.shown(truth)))
        named = [_Option(self.why(m), words("that would be ", *self.shown(m.form))) for m in wrong]
        named = [o for k, o in enumerate(named) if o.shown not in [p.shown for p in named[:k]]]
        fine = rng.random() < 0.2
        form = truth if fine else wrong[0].form
        options = [right, *named] if fine else [*named[:OPTIONS - 1], right]
        asked = self.choice(words("Someone writes the line below. What is wrong with it?"), options, rng)
        line = Paragraph(words(self.grad(name), " = ", *self.shown(form))) if form.lines else Equation((Line(self.typeset.parts(form.body), self.grad(name)),))
        return _Question((asked.asked[0], line, *asked.asked[1:]), asked.answer)

    def shapes(self, rng: np.random.Generator) -> list[_Question]:
        """The shape of the Jacobian of a value by the value before it."""
        found: list[_Question] = []
        factors = []
        for name in self.asked:
            x = self.d[name]
            if x.variable is not x.output:
                factors += [f for f in factors_of(named_chain(x.output, x.variable, x.viewer.names)) if f.of in x.viewer.names and f not in factors]
        names = next(iter(self.d.derivatives.values())).viewer.names
        for place in rng.permutation(len(factors))[:self.w.level + 1]:
            f = factors[int(place)]
            right: Shape = (f.of.shape or (1,)) + f.by.shape
            ask = words("What is the shape of ", self.typeset.math(f"jac({names[f.of]}, {names[f.by]})"), ", axes of the output first",
                        " (of the whole arrays, all examples)?" if self.d.graph.families else "?")
            answer = (Paragraph(words(self.typeset.shape(right))),)
            if self.w.kind == "blanks" or (self.w.kind == "both" and rng.random() < 0.5):
                found.append(_Question((Paragraph(words(*ask, " ", BLANK)),), answer))
                continue
            others = {f.by.shape + (f.of.shape or (1,)): "the axes of the variable come first: this is the denominator layout",
                      f.by.shape: "this is the shape of the variable alone", f.of.shape: "this is the shape of the output alone",
                      (*right, *f.by.shape): "the axes of the variable stand twice", (*f.of.shape, *right): "the axes of the output stand twice"}
            options = [_Option((self.typeset.shape(right),))]
            for shape, why in others.items():
                if shape_text(shape, "1") not in {o.shown[0].notation for o in options if isinstance(o.shown[0], Math)} and len(options) < OPTIONS:
                    options.append(_Option((self.typeset.shape(shape),), words(why)))
            found.append(self.choice(ask, options, rng))
        return found

    # ------------------------------------------------------------------ how questions are put
    def blanks(self, ask: Sequence[Inline], wanted: Sequence[tuple[Math, NDArray[Any]]]) -> _Question:
        empty = [Line((_left_out(value, self.w.level),), left) for left, value in wanted]
        filled = [Line((related(value, self.w.digits),), left) for left, value in wanted]
        return _Question((Paragraph(tuple(ask)), Equation(tuple(empty))), (Equation(tuple(filled)),))

    def choice(self, ask: Sequence[Inline], options: Sequence[_Option], rng: np.random.Generator) -> _Question:
        order = [options[int(k)] for k in rng.permutation(len(options))]
        letters = "abcdefgh"
        items = tuple((Paragraph(words(f"({letters[k]}) ", *o.shown)),) for k, o in enumerate(order))
        right = next(k for k, o in enumerate(order) if o is options[0])
        reasons = tuple((Paragraph(words(f"({letters[k]}): ", *o.why)),) for k, o in enumerate(order) if o is not options[0] and o.why)
        answer: tuple[Block, ...] = (Paragraph(words(f"({letters[right]}) ", *options[0].shown)),)
        return _Question((Paragraph(tuple(ask)), ListBlock(items)), (*answer, *([ListBlock(reasons)] if reasons else [])))

    def drawn(self, found: Sequence[Mistake], rng: np.random.Generator, count: int = OPTIONS - 1) -> list[Mistake]:
        """Mistakes of kinds that differ as far as there are; the level says which kinds come first."""
        order = {1: KINDS, 2: (*KINDS[3:], *KINDS[:3]), 3: tuple(reversed(KINDS))}[self.w.level]
        shuffled = [found[int(k)] for k in rng.permutation(len(found))]
        ranked = sorted(shuffled, key=lambda m: (sum(o.kind == m.kind for o in shuffled[:shuffled.index(m)]), order.index(m.kind)))
        return ranked[:count]

    def why(self, m: Mistake) -> tuple[Inline, ...]:
        return words(m.why, *((" ", self.typeset.math(m.where)) if m.where else ()))

    def shown(self, form: Form) -> tuple[Inline, ...]:
        """A closed form in a line, what it names behind it."""
        lines = [x for line in form.lines for x in (", ", self.typeset.math(line))]
        return words(self.typeset.math(form.body), *([" with ", *lines[1:]] if lines else []))


def _left_out(array: NDArray[Any], level: int) -> Math:
    """Room for an answer: an array of blanks, so that the shape is told, or at level 3 one blank."""
    if level == 3 or array.ndim == 0 or array.ndim > 2:
        return Math(f"= {BLANK.tex}", f"= {BLANK.notation}")
    row = [r"\ldots\ldots\ldots"] * (array.shape[1] if array.ndim == 2 else 1)
    tex = r" \\ ".join(" & ".join(row) for _ in range(array.shape[0]))
    one = f"[{', '.join(['____'] * len(row))}]" if array.ndim == 2 else "____"
    return Math(rf"= \begin{{bmatrix}} {tex} \end{{bmatrix}}", f"= [{', '.join([one] * array.shape[0])}]")
