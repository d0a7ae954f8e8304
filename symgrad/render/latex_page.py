"""A document in; LaTeX for a plain article class out, with packages that every TeX has, and its pictures as files beside it."""
from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from symgrad.explain.document import (
    NOTE_TITLES,
    Block,
    Check,
    Code,
    CodeBlock,
    Details,
    Document,
    Emphasis,
    Equation,
    Inline,
    Line,
    ListBlock,
    Math,
    Note,
    Paragraph,
    Picture,
    Reference,
    Section,
    Strong,
    Table,
    Text,
    walk,
)
from symgrad.render.breaking import Cell, breadth_of, cells, elided
from symgrad.render.mathml import checked
from symgrad.render.pictures import size_of
from symgrad.render.raster import png_of

__all__ = ["latex_files", "to_latex"]

_ZOOM = 3                                            # dots of a picture for each of its pixels
_ROOM = 80                                           # letters of a table that fit side by side
_SECTIONS = ("section", "subsection", "subsubsection", "paragraph", "subparagraph")
_SPECIAL = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%",
            "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
_SIGNS = {"½": r"$\tfrac12$", "′": "$'$", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$", "←": r"$\leftarrow$", "≤": r"$\le$", "≥": r"$\ge$",
          "∂": r"$\partial$",
          "−": "$-$", "δ": r"$\delta$", "η": r"$\eta$", "√": r"$\surd$", "∇": r"$\nabla$", "–": "--", "“": "``", "”": "''", "’": "'", "…": r"\dots{}"}
_START = r"""\documentclass[11pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=2.2cm]{geometry}
\usepackage{amsmath,amssymb,array,graphicx,listings,longtable,xcolor}
\usepackage[hidelinks]{hyperref}
\definecolor{accent}{HTML}{1F3A68}
\definecolor{soft}{HTML}{5B6478}
\definecolor{wash}{HTML}{E9EFF9}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\setlength{\emergencystretch}{3em}
\lstset{basicstyle=\ttfamily\footnotesize,breaklines=true,columns=fullflexible,keepspaces=true,frame=single,rulecolor=\color{soft}}
\newlength{\leftside}
\newlength{\leftwidth}
\newsavebox{\piece}
% The left sides of one equation are set in boxes of the width of the widest, up to a third of the line.
\newcommand{\widest}[1]{\settowidth{\leftwidth}{$\displaystyle#1$}%
  \ifdim\leftwidth>.33\linewidth\else\ifdim\leftwidth>\leftside\setlength{\leftside}{\leftwidth}\fi\fi}
\newcommand{\leftof}[1]{\settowidth{\leftwidth}{$\displaystyle#1$}%
  \ifdim\leftwidth>\leftside$\displaystyle#1$\else\makebox[\leftside][r]{$\displaystyle#1$}\fi~}
% A piece that is wider than the line is made smaller; nothing else is.
\newcommand{\fit}[1]{\sbox{\piece}{$\displaystyle#1$}%
  \ifdim\wd\piece>.9\linewidth\resizebox{.9\linewidth}{!}{\usebox{\piece}}\else\usebox{\piece}\fi}
\newcommand{\reason}[1]{\unskip\penalty50\hskip1em\hbox{}\nobreak\hspace*{\fill}{\small\color{soft}#1\par}}
\newcommand{\eqline}[1]{{\parskip=4pt\parfillskip=0pt plus 1fil\rightskip=0pt plus 1fil\hangindent=\dimexpr\leftside+2.2em\relax\hangafter=1
  \leavevmode\hspace*{1.2em}#1\par}}
\newcommand{\result}[1]{\par\fcolorbox{accent}{wash}{\parbox{\dimexpr\linewidth-2\fboxsep-2\fboxrule}{#1}}\par}
\newenvironment{aside}[2]{\par\medskip{\color[HTML]{#1}\small\bfseries#2}\begin{list}{}{\leftmargin=1.2em\topsep=2pt\parsep=4pt}\item[]}{\end{list}}
"""
_COLOURS = {"why": "3B6FB6", "reuse": "2F7D4F", "check": "17796F", "warning": "B26A00", "convention": "6B5B95"}


def to_latex(document: Document, stem: str = "solution") -> str:
    """The source as text, the same for the same document; pictures are read from `stem-1.png` and so on.

    Raises:
        InputError: a formula cannot be shown; the message shows it.
        TypeError: something in the document is none of the vocabulary.
    """
    if not isinstance(document, Document):
        raise TypeError(f"a page is made of a Document, not of {type(document).__name__}")
    return _Writer(stem).page(document)


def latex_files(document: Document, stem: str) -> dict[str, str | bytes]:
    """The source and its pictures by file name. Raises what `to_latex` and `png_of` do."""
    pictures = [element.svg for element in walk(document) if isinstance(element, Picture)]
    return {f"{stem}.tex": to_latex(document, stem), **{f"{stem}-{k}.png": png_of(svg, _ZOOM) for k, svg in enumerate(pictures, 1)}}


def _words(text: str) -> str:
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter in _SPECIAL or letter in _SIGNS:
        return _SPECIAL.get(letter) or _SIGNS[letter]
    if letter.isascii():
        return letter if letter.isprintable() else " "
    plain = unicodedata.normalize("NFKD", letter)
    if unicodedata.decomposition(letter).startswith(("<super>", "<sub>")) and plain.isascii():
        return f"\\text{'super' if '<super>' in unicodedata.decomposition(letter) else 'sub'}script{{{_words(plain)}}}"
    if "\xa1" <= letter <= "ſ":                      # inputenc and T1 know these
        return letter
    return _words(plain) if plain.isascii() else f"U+{ord(letter):04X}"


class _Writer:
    """Writes one source; it counts the pictures."""

    def __init__(self, stem: str) -> None:
        self.stem, self.pictures = stem, 0

    def page(self, document: Document) -> str:
        subtitle = f"{{\\color{{soft}}\\large {self.inlines(document.subtitle)}\\par}}\n" if document.subtitle else ""
        meta = " · ".join(f"{name} {value}" for name, value in document.meta)
        foot = f"\n\\medskip{{\\small\\color{{soft}}{_words(meta)}\\par}}" if meta else ""
        return (f"{_START}\\begin{{document}}\n{{\\color{{accent}}\\LARGE\\bfseries {_words(document.title)}\\par}}\n{subtitle}"
                f"{self.blocks(document.blocks, 0)}{foot}\n\\end{{document}}\n")

    def blocks(self, blocks: Iterable[Block], level: int) -> str:
        return "".join(self.block(block, level) for block in blocks)

    def block(self, block: Block, level: int) -> str:
        match block:
            case Section():
                number = f"{_words(block.number)}\\quad " if block.number else ""
                badge = f"\\hfill{{\\normalfont\\small {_words(block.badge)}}}" if block.badge else ""
                return (f"\n\\{_SECTIONS[min(level, 4)]}*{{{_target(block.anchor)}{number}{self.inlines(block.title)}{badge}}}\n"
                        f"{self.blocks(block.blocks, level + 1)}")
            case Paragraph():
                return f"\n{self.inlines(block.inlines)}\n\n"
            case Equation():
                widths = "".join(f"\\widest{{{checked(elided(line.left.tex))}}}" for line in block.lines if line.left)
                lines = "".join(map(self.line, block.lines))
                return f"{{{_target(block.anchor)}\\setlength{{\\leftside}}{{0pt}}{widths}%\n{lines}}}\n"
            case Table():
                return self.table(block)
            case CodeBlock():
                caption = f"{{\\small\\color{{soft}}{self.inlines(block.caption)}\\par}}\n" if block.caption else ""
                text = "".join(c if c.isascii() else "?" for c in block.text).replace(r"\end{", r"\end {")
                language = "[language=Python]" if block.language == "python" else ""
                return f"{caption}\\begin{{lstlisting}}{language}\n{text.rstrip()}\n\\end{{lstlisting}}\n"
            case Picture():
                self.pictures += 1
                caption = f"\\\\[4pt]{{\\small\\color{{soft}}{self.inlines(block.caption)}}}" if block.caption else ""
                wide = 0.75 * size_of(block.svg)[0]
                return (f"\\begin{{center}}\n% {_words(block.alt)}\n\\fit{{\\includegraphics[width={wide:.0f}bp,height=.8\\textheight,keepaspectratio]"
                        f"{{{self.stem}-{self.pictures}.png}}}}{caption}\n\\end{{center}}\n")
            case ListBlock():
                kind = "enumerate" if block.ordered else "itemize"
                items = "".join(f"\\item {self.blocks(item, level)}" for item in block.items)
                return f"\\begin{{{kind}}}\n{items}\\end{{{kind}}}\n"
            case Note():
                return _aside(_COLOURS[block.kind], NOTE_TITLES[block.kind], self.blocks(block.blocks, level))
            case Check():
                error = "" if block.error is None else f" (largest relative error {block.error:.1e})"
                return _aside("17796F" if block.ok else "B3261E", "Verified" if block.ok else "Not confirmed", self.inlines(block.text) + error)
            case Details():
                return _aside("5B6478", self.inlines(block.summary), self.blocks(block.blocks, level))
            case _:
                raise TypeError(f"a page cannot show {type(block).__name__}")

    def table(self, table: Table) -> str:
        rows = [table.header, *table.rows]
        sizes = [min(30.0, max(breadth_of(row[k]) for row in rows)) + 2 for k in range(len(table.header))]
        sides = list(table.align or "l" * len(sizes))
        if sum(sizes) > _ROOM:                       # the wider columns are set as paragraphs
            room = _ROOM - sum(size for size in sizes if size <= 12)
            wide = sum(size for size in sizes if size > 12)
            sides = [side if size <= 12 else f">{{\\raggedright\\arraybackslash}}p{{{0.9 * room / _ROOM * size / wide:.3f}\\linewidth}}"
                     for side, size in zip(sides, sizes, strict=True)]
        shown = [" & ".join(map(self.inlines, row)) + r" \\" for row in rows]
        caption = f"{{\\small\\color{{soft}}{self.inlines(table.caption)}\\par}}\n" if table.caption else ""
        body = "\n".join(shown[1:])
        return (f"{caption}{{\\small\\setlength{{\\tabcolsep}}{{4pt}}\\setlength{{\\LTleft}}{{0pt}}\n\\begin{{longtable}}{{{''.join(sides)}}}\n"
                f"{shown[0]}\n\\hline\n\\endhead\n{body}\n\\end{{longtable}}}}\n")

    def line(self, line: Line) -> str:
        left = f"\\leftof{{{checked(elided(line.left.tex))}}}" if line.left else "\\leftof{}"
        right = " ".join(map(self.cell, cells(line, "a page")))
        number = f"\\hspace*{{\\fill}}({_words(line.number)})" if line.number else ""
        reason = f"\\reason{{{self.inlines(line.reason)}}}" if line.reason else ""
        shown = f"\\eqline{{{left}{right}{number}{reason}}}"
        return f"\\result{{{shown}}}\n" if line.highlight else f"{shown}\n"

    def cell(self, cell: Cell) -> str:
        if cell.factor is None:
            return f"\\fit{{{'{}' if cell.infix else ''}{checked(cell.tex)}}}"
        shape, note = checked(cell.factor.shape.tex), self.inlines(cell.factor.note)
        below = f"\\substack{{{shape}\\\\\\text{{\\scriptsize {note}}}}}" if note else shape
        return f"\\fit{{{checked(cell.join) if cell.join else ''}\\underbrace{{{checked(cell.tex)}}}_{{{below}}}}}"

    def inlines(self, inlines: Iterable[Inline]) -> str:
        return "".join(map(self.inline, inlines))

    def inline(self, inline: Inline) -> str:
        match inline:
            case Text():
                return _words(inline.text)
            case Math():
                return f"${checked(elided(inline.tex))}$"
            case Code():
                return f"\\texttt{{{_words(inline.text)}}}"
            case Emphasis():
                return f"\\emph{{{self.inlines(inline.inlines)}}}"
            case Strong():
                return f"\\textbf{{{self.inlines(inline.inlines)}}}"
            case Reference():
                return f"\\hyperlink{{{inline.anchor}}}{{{_words(inline.text)}}}"
            case _:
                raise TypeError(f"a page cannot show {type(inline).__name__} in a line of text")


def _target(anchor: str) -> str:
    return f"\\hypertarget{{{anchor}}}{{}}" if anchor else ""


def _aside(colour: str, title: str, body: str) -> str:
    return f"\\begin{{aside}}{{{colour}}}{{{title}}}\n{body.strip()}\n\\end{{aside}}\n"
