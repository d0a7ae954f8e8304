"""Names of the notation come in, with the labels that a user chose; LaTeX symbols with their sub- and superscripts go out."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from symgrad.errors import InputError
from symgrad.notation.statements import Declaration, Network
from symgrad.notation.syntax import Affine
from symgrad.notation.words import FUNCTIONS

__all__ = ["Symbol", "function_symbol", "index_name", "index_tex", "indices_tex", "juxtaposed", "labels", "name_symbol"]

_GREEK = {word: f"\\{word}" for word in (
    "alpha beta gamma delta zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega").split()}
_GREEK |= {"eps": r"\varepsilon", "epsilon": r"\varepsilon", "lam": r"\lambda", "lamda": r"\lambda"}
_LETTERS = {"l": r"\ell", "ℓ": r"\ell", "ϵ": r"\epsilon", "ϑ": r"\vartheta", "ϕ": r"\phi", "φ": r"\varphi", "ϖ": r"\varpi",
            "ς": r"\varsigma"}
_ACCENTS = {"hat": ("hat", "widehat"), "bar": ("bar", "overline"), "tilde": ("tilde", "widetilde"), "dot": ("dot", "dot")}
_COMMANDS = frozenset(word for word in "exp log sin cos tan arcsin arccos arctan sinh cosh tanh max min det".split())
_BESIDE_COMMAND = re.compile(r"\\[A-Za-z]+$")

# A label is a formula that the user wrote: letters in some dress with scripts, and nothing that could do anything else.
_DRESS = frozenset("mathbf mathcal mathit mathrm mathbb mathsf mathfrak boldsymbol bm text operatorname hat widehat bar overline tilde "
                   "widetilde dot ddot vec underline".split())
_MARKS = frozenset("ell star ast dagger prime top circ infty nabla partial times cdot hbar imath jmath varepsilon vartheta varphi varpi "
                   "varrho varsigma epsilon".split())
_LABEL_COMMANDS = _DRESS | _MARKS | {command[1:] for command in _GREEK.values()}
_PLAIN = frozenset(" {}^_()[],.;:+-*/='|!")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter (in whatever dress) with its scripts, each possibly empty."""

    base: str
    sub: str = ""
    sup: str = ""

    @property
    def tex(self) -> str:
        """The LaTeX of the whole."""
        return self.base + (f"_{{{self.sub}}}" if self.sub else "") + (f"^{{{self.sup}}}" if self.sup else "")

    def indexed(self, indices: str) -> Symbol:
        """With one more subscript; what a label has there already is set apart by a comma."""
        return replace(self, sub=f"{self.sub},{indices}" if self.sub else indices)


def labels(network: Network) -> dict[str, str]:
    """The labels (`as "W^{(1)}"`) that a network gives to its names."""
    return {s.name: s.printed for s in network.statements if isinstance(s, Declaration) and s.printed is not None}


def name_symbol(name: str, names: Mapping[str, str] | None = None) -> Symbol:
    r"""How a name is set: by its label in `names`, else `yhat` as \hat{y}, `W1` as W_{1}, `x_dot` as \dot{x}, `lam` as \lambda.

    Raises:
        InputError: the label is no formula made of letters, accents and scripts.
    """
    if names and name in names:
        return _labelled(name, names[name])
    return _spelled(name, r"\mathit")


def function_symbol(name: str, names: Mapping[str, str] | None = None) -> Symbol:
    """How the name of a function is set, in front of its brackets or its prime; errors as for `name_symbol`."""
    if names and name in names:
        return _labelled(name, names[name])
    if name == "sigmoid":
        return Symbol(r"\sigma")
    if name in _COMMANDS:
        return Symbol(f"\\{name}")
    if name in FUNCTIONS:
        return Symbol(f"\\operatorname{{{name}}}" if name.isalpha() else f"\\text{{{name.replace('_', ' ')}}}")
    return _spelled(name, r"\operatorname")


def _spelled(name: str, words: str) -> Symbol:
    first, *rest = [part for part in name.split("_") if part]
    accents = []
    while rest and rest[-1] in _ACCENTS:
        accents.append(rest.pop())
    match = re.fullmatch(r"(\D+)(\d*)(.*)", first)
    letters, digits, tail = match.groups() if match else (first, "", "")
    for accent in _ACCENTS:
        if (bare := letters.removesuffix(accent)) != letters and (len(bare) == 1 or bare in _GREEK):
            letters = bare
            accents.insert(0, accent)
    subs = [digits + tail] if digits else []
    if re.fullmatch("[A-Zb][a-z]", letters) and letters not in _GREEK:     # weights and biases: Wx, bh
        subs.insert(0, letters[1])
        letters = letters[0]
    short, base = True, _letter(letters)
    if not base:
        short, base = False, f"{words}{{{letters}}}"
    for accent in accents:
        base = f"\\{_ACCENTS[accent][0 if short else 1]}{{{base}}}"
    return Symbol(base, ",".join(map(_script, subs + rest)))


def _letter(word: str) -> str:
    """The LaTeX of a Greek word or of a single letter, else nothing."""
    if word in _GREEK or word in _LETTERS:
        return _GREEK.get(word) or _LETTERS[word]
    if len(word) != 1:
        return ""
    kind, _, spelled = unicodedata.name(word, "").partition(" LETTER ")
    if kind.startswith("GREEK"):
        spelled = spelled.lower() if kind.endswith("SMALL") else spelled.capitalize()
        return _GREEK.get(spelled.replace("amda", "ambda"), word)
    return word if word.isascii() else f"\\text{{{word}}}"


def _script(word: str) -> str:
    if re.fullmatch(r"\d+|[a-z]{1,2}|[A-Z]{1,2}", word):
        return word
    return _letter(word) or f"\\mathrm{{{word}}}"


def _labelled(name: str, label: str) -> Symbol:
    stripped = label.strip()
    allowed = all(letter in _PLAIN or letter.isalnum() for letter in re.sub(r"\\[A-Za-z]+", "", stripped))
    known = set(re.findall(r"\\([A-Za-z]+)", stripped)) <= _LABEL_COMMANDS
    if not stripped or not allowed or not known or not _balanced(stripped):
        raise InputError(f'{name} cannot be printed as "{label}": a label is made of letters, accents and scripts, as in "W^{{(1)}}"')
    base, rest = _token(stripped)
    scripts = {"_": "", "^": ""}
    while rest:
        mark, after = rest[0], rest[1:].lstrip()
        if mark == "'":
            mark, script, rest = "^", r"\prime", after
        elif mark in scripts and after:
            script, rest = _token(after)
            script = script[1:-1] if script[0] == "{" else script
        else:
            return Symbol(f"{{{stripped}}}")
        if scripts[mark] or not script:
            return Symbol(f"{{{stripped}}}")
        scripts[mark] = script
    return Symbol(base, scripts["_"], scripts["^"])


def _balanced(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0


def _token(text: str) -> tuple[str, str]:
    """The first thing that can bear a script, and what follows it."""
    command = re.match(r"\\([A-Za-z]+)\s*", text)
    if command and command[1] in _DRESS and command.end() < len(text):
        inner, rest = _token(text[command.end():])
        return command[0].rstrip() + (inner if inner[0] == "{" else f"{{{inner}}}"), rest
    if command:
        return command[0].rstrip(), text[command.end():]
    end = 1
    while not _balanced(text[:end]):
        end += 1
    return text[:end], text[end:].lstrip()


def juxtaposed(parts: Sequence[str]) -> str:
    r"""Side by side, with a space where a command would swallow the next letter: `\alpha i`."""
    out = ""
    for part in parts:
        out += (" " if _BESIDE_COMMAND.search(out) and part[:1].isalpha() else "") + part
    return out


def indices_tex(indices: Sequence[Affine]) -> str:
    """A subscript: single letters run together, anything longer is set apart by commas."""
    shown = [index_tex(index) for index in indices]
    together = all(index.name and (len(index.name) == 1 or index.name in _GREEK) for index in indices)
    return juxtaposed(shown) if together else ",".join(shown)


def index_tex(index: Affine) -> str:
    """One index: `2*s*i + 1` as 2si+1."""
    out = ""
    for term in index.terms:
        size = abs(term.coefficient)
        product = juxtaposed([*([str(size)] if size != 1 else []), *map(index_name, term.names)])
        out += ("-" if term.coefficient < 0 else "+" if out else "") + product
    return out + (f"{index.constant:+d}" if out and index.constant else "" if out else str(index.constant))


def index_name(name: str) -> str:
    """The name of an index."""
    return name if len(name) == 1 and name.isascii() else _spelled(name, r"\mathit").tex
