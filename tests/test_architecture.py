"""The house rules as checks over source text: each runs over every file, and each is fed planted violations."""
from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest

import symgrad

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    {"errors"}, {"notation"}, {"core"}, {"ops"}, {"derive"}, {"network"}, {"layers"}, {"interop"}, {"views"}, {"plan"}, {"run"}, {"results"}, {"derivations"},
    {"verbs"}, {"training", "explain", "marking"}, {"render"}, {"pictures"}, {"laboratory"}, {"outputs"}, {"web"}, {"cli"}, {"cli_lab"}, {"__init__", "__main__"},
)
RANK = {package: rank for rank, tier in enumerate(LAYERS) for package in tier}
DOCUMENTS = {"document", "diagram", "folding"}                     # all that a format sees of `explain`
HUBS = {"symgrad/__init__.py", "symgrad/cli.py", "symgrad/cli_lab.py"}   # import inside functions, so that `--help` is quick
OPTIONAL = {
    "ziamath", "ziafont", "latex2mathml", "lark", "rich", "click", "typst", "nbformat", "resvg_py", "matplotlib",
    "torch", "jax", "jaxlib", "PIL", "starlette", "uvicorn", "sklearn",
}
AT_THE_TOP = {("click", f"symgrad/{file}.py") for file in ("cli", "cli_lab")}   # what a file is about may stand at its top
RUNS_OWN_CODE = {"symgrad/run/numpy_backend.py"}          # compiles the programs that symgrad itself writes
MAX_LINES = 400


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root of the repository, and its text, which must parse."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def package(self) -> str:
        """The stage a file of symgrad belongs to: the first part of its path within the package."""
        return PurePosixPath(self.path).with_suffix("").parts[1]

    @cached_property
    def in_package(self) -> bool:
        return self.path.startswith("symgrad/")

    def imports(self) -> Iterator[tuple[int, str, bool]]:
        """Line, absolute dotted name (`from a import b` gives `a.b`), and whether a function holds it."""
        held = {id(inner) for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                for inner in ast.walk(node)}
        folders = PurePosixPath(self.path).parts[:-1]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = [*folders[:len(folders) - node.level + 1]] if node.level else []
                names = [".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names]
            else:
                continue
            for name in names:
                yield node.lineno, name, id(node) in held


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and last name of whatever is called: `sympy.sympify(x)` gives `sympify`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield node.lineno, name


def imports_leftward(source: Source) -> Iterator[str]:
    """A stage sees the stages before it and itself; stages of one tier do not see each other."""
    if not source.in_package:
        return
    if source.package not in RANK:
        yield f"{source.path}: the stage {source.package!r} has no place in LAYERS"
        return
    if source.path in HUBS:
        return
    for line, name, _ in source.imports():
        parts = name.split(".")
        if parts[0] != "symgrad":
            continue
        seen = parts[1] if len(parts) > 1 else ""
        where = f"{source.path}:{line}"
        if seen not in RANK:
            yield f"{where}: imports {name}, which reaches a stage through the package's own front"
        elif seen != source.package and RANK[seen] >= RANK[source.package]:
            yield f"{where}: {source.package} imports {name}, which is not to its left"
        elif source.package == "render" and seen == "explain" and (len(parts) < 3 or parts[2] not in DOCUMENTS):
            yield f"{where}: a format sees explain.document and explain.diagram only, not {name}"


def no_hidden_imports(source: Source) -> Iterator[str]:
    """An import of symgrad stands at the top of its file, where a cycle shows."""
    if source.in_package and source.path not in HUBS:
        for line, name, held in source.imports():
            if held and name.split(".")[0] == "symgrad":
                yield f"{source.path}:{line}: {name} is imported inside a function"


def optional_where_used(source: Source) -> Iterator[str]:
    """A package that not every user needs is imported by the function that needs it (or for types alone)."""
    if not source.in_package:
        return
    typing_only = {inner.lineno for node in ast.walk(source.tree)
                   if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
                   for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)}
    for line, name, held in source.imports():
        package = name.split(".")[0]
        allowed = held or line in typing_only or (package, source.path) in AT_THE_TOP
        if package in OPTIONAL and not allowed:
            yield f"{source.path}:{line}: {package} is imported at the top of the file"


def short_enough(source: Source) -> Iterator[str]:
    """No file is longer than a reader's patience."""
    if (lines := len(source.text.splitlines())) > MAX_LINES:
        yield f"{source.path}: {lines} lines, {MAX_LINES} at most"


def module_names(folder: PurePosixPath) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")} | {path.name for path in (ROOT / folder).glob("*/")}


def no_function_like_a_module(source: Source, modules: Callable[[PurePosixPath], set[str]] = module_names) -> Iterator[str]:
    """A public function named like a module beside it would hide that module, or be hidden by it; so does one that `__init__` lifts."""
    if not source.in_package:
        return
    path = PurePosixPath(source.path)
    beside = modules(path.parent) - {path.stem}
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in beside and not node.name.startswith("_"):
            yield f"{source.path}:{node.lineno}: the function {node.name} has a module's name"
        if isinstance(node, ast.ImportFrom) and path.stem == "__init__" and node.module not in (None, ".".join(path.parent.parts)):
            for name in {alias.asname or alias.name for alias in node.names} & beside:
                yield f"{source.path}:{node.lineno}: {name} hides the module of that name"


def has_a_docstring(source: Source) -> Iterator[str]:
    """The first paragraph of every module is one sentence; an empty `__init__.py` needs none."""
    if not source.text.strip() and source.path.endswith("__init__.py"):
        return
    first = (ast.get_docstring(source.tree) or "").split("\n\n")[0].strip()
    if not first:
        yield f"{source.path}:1: no module docstring"
    elif not first.endswith((".", "?", "!")) or re.search(r"[a-z)\]`][.!?]\s+[A-Z]", first):
        yield f"{source.path}:1: the docstring's first paragraph is not one sentence"


def evaluates_no_text(source: Source) -> Iterator[str]:
    """Text from strangers is parsed by a grammar; nothing that evaluates text is called."""
    if not source.in_package:
        return
    banned = {"sympify", "parse_expr", "__import__"} | (set() if source.path in RUNS_OWN_CODE else {"eval", "exec"})
    for line, name in calls(source.tree):
        if name in banned:
            yield f"{source.path}:{line}: calls {name}"
    for line, name, _ in source.imports():
        if name.split(".")[-1] in banned | {"sympy_parser"}:
            yield f"{source.path}:{line}: imports {name}"


def explains_what_it_ignores(source: Source) -> Iterator[str]:
    """`# type: ignore` names the error and, in a second comment, the reason."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and re.match(r"#\s*type:\s*ignore", token.string) \
                and not re.match(r"# type: ignore\[[a-z, -]+\]\s+#\s*\S+", token.string):
            yield f"{source.path}:{token.start[0]}: {token.string!r} lacks its code or its reason"


CHECKS: tuple[Callable[[Source], Iterator[str]], ...] = (
    imports_leftward, no_hidden_imports, optional_where_used, short_enough, no_function_like_a_module, has_a_docstring,
    evaluates_no_text, explains_what_it_ignores,
)


@cache
def sources() -> tuple[Source, ...]:
    files = (path for folder in ("symgrad", "tests", "examples", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py")))
    return tuple(Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in files)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_file_keeps(check: Callable[[Source], Iterator[str]]) -> None:
    complaints = dict.fromkeys(complaint for source in sources() for complaint in check(source))
    assert not complaints, "\n".join(complaints)


def verbs_like_stages(verbs: Iterable[str]) -> set[str]:
    """Public names of the package that are also the name of one of its stages."""
    return set(verbs) & set(RANK)


def test_no_public_verb_is_named_like_a_stage() -> None:
    assert verbs_like_stages(["parse", "derive", "schedule"]) == {"derive"}
    assert {v for v in verbs_like_stages(symgrad.__all__) if not isinstance(getattr(symgrad, v), ModuleType)} == set()   # sg.layers is the stage


def test_files_are_found() -> None:
    assert {"symgrad/errors.py", "tests/test_architecture.py"} <= {source.path for source in sources()}


PLANTED: tuple[tuple[Callable[[Source], Iterator[str]], str, str], ...] = (
    (imports_leftward, "symgrad/core/node.py", "from symgrad.ops.table import OPS"),
    (imports_leftward, "symgrad/core/node.py", "import symgrad.views"),
    (imports_leftward, "symgrad/core/node.py", "from symgrad import views"),
    (imports_leftward, "symgrad/core/node.py", "from ..views import matrix"),
    (imports_leftward, "symgrad/core/node.py", "from symgrad import parse"),
    (imports_leftward, "symgrad/core/node.py", "import symgrad"),
    (imports_leftward, "symgrad/marking/claims.py", "from symgrad.explain.document import Document"),
    (imports_leftward, "symgrad/explain/walkthrough.py", "from symgrad.training.loop import train"),
    (imports_leftward, "symgrad/render/html.py", "from symgrad.explain.walkthrough import solve"),
    (imports_leftward, "symgrad/render/html.py", "from symgrad.cli import main"),
    (imports_leftward, "symgrad/helpers/text.py", "x = 1"),
    (no_hidden_imports, "symgrad/views/matrix.py", "def f():\n    from symgrad.core.node import Node"),
    (no_hidden_imports, "symgrad/views/matrix.py", "class C:\n    async def f(self):\n        from ..core import node"),
    (optional_where_used, "symgrad/notation/parse.py", "import lark"),
    (optional_where_used, "symgrad/run/torch_backend.py", "from torch import nn"),
    (optional_where_used, "symgrad/render/text.py", "import click"),
    (short_enough, "tests/test_long.py", "x = 1\n" * 401),
    (no_function_like_a_module, "symgrad/notation/build.py", "def grammar():\n    return 1"),
    (no_function_like_a_module, "symgrad/cli.py", "def views():\n    return 1"),
    (no_function_like_a_module, "symgrad/notation/__init__.py", "from symgrad.notation.build import build"),
    (no_function_like_a_module, "symgrad/notation/__init__.py", "from .build import network as grammar"),
    (has_a_docstring, "symgrad/core/node.py", "x = 1"),
    (has_a_docstring, "symgrad/core/node.py", '"""Nodes come in. Graphs go out."""'),
    (has_a_docstring, "symgrad/core/node.py", '"""Nodes"""'),
    (evaluates_no_text, "symgrad/notation/build.py", "eval('1')"),
    (evaluates_no_text, "symgrad/notation/build.py", "import builtins\nbuiltins.exec('1')"),
    (evaluates_no_text, "symgrad/notation/build.py", "import sympy\nsympy.sympify('1')"),
    (evaluates_no_text, "symgrad/notation/build.py", "from sympy.parsing.sympy_parser import parse_expr as harmless"),
    (evaluates_no_text, "symgrad/run/numpy_backend.py", "from sympy import sympify"),
    (explains_what_it_ignores, "symgrad/core/node.py", "x = f()  # type: ignore"),
    (explains_what_it_ignores, "symgrad/core/node.py", "x = f()  # type: ignore[no-untyped-call]"),
    (explains_what_it_ignores, "symgrad/core/node.py", "x = f()  # type: ignore  # a reason without a code"),
)
SOUND: tuple[tuple[Callable[[Source], Iterator[str]], str, str], ...] = (
    (imports_leftward, "symgrad/views/matrix.py", "from symgrad.core.node import Node\nfrom . import latex\nfrom ..errors import E"),
    (imports_leftward, "symgrad/render/html.py", "from symgrad.explain.document import Document\nfrom symgrad.explain import diagram"),
    (imports_leftward, "symgrad/__main__.py", "from symgrad.cli import main"),
    (no_hidden_imports, "symgrad/cli.py", "def f():\n    import symgrad.views"),
    (no_hidden_imports, "symgrad/views/matrix.py", "def f():\n    import torch"),
    (optional_where_used, "symgrad/cli.py", "import click"),
    (optional_where_used, "symgrad/notation/parse.py", "def f():\n    import lark"),
    (optional_where_used, "symgrad/notation/parse.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lark"),
    (no_function_like_a_module, "symgrad/notation/build.py", "def _grammar():\n    return 1\ndef network():\n    return 1"),
    (no_function_like_a_module, "symgrad/notation/build.py", "def build():\n    return 1"),
    (no_function_like_a_module, "symgrad/notation/__init__.py", "from . import build\nfrom .build import network"),
    (no_function_like_a_module, "symgrad/notation/__init__.py", "from symgrad.notation import build"),
    (has_a_docstring, "symgrad/core/__init__.py", ""),
    (has_a_docstring, "symgrad/core/node.py", '"""Nodes in, e.g. sums; a graph out.\n\nA second paragraph. It may run on."""'),
    (evaluates_no_text, "symgrad/run/numpy_backend.py", "exec('1')"),
    (evaluates_no_text, "tests/test_readme.py", "exec('1')"),
    (explains_what_it_ignores, "symgrad/core/node.py", "x = f()  # type: ignore[no-untyped-call]  # the library has no types"),
)


def planted_modules(folder: PurePosixPath) -> set[str]:
    return {"symgrad": {"views", "core"}, "symgrad/notation": {"grammar", "build"}}.get(folder.as_posix(), set())


def complaints_about(check: Callable[[Source], Iterator[str]], path: str, text: str) -> list[str]:
    if check is no_function_like_a_module:
        return list(no_function_like_a_module(Source(path, text), planted_modules))
    return list(check(Source(path, text)))


@pytest.mark.parametrize(("check", "path", "text"), PLANTED)
def test_a_planted_violation_is_found(check: Callable[[Source], Iterator[str]], path: str, text: str) -> None:
    assert complaints_about(check, path, text)


@pytest.mark.parametrize(("check", "path", "text"), SOUND)
def test_sound_code_passes(check: Callable[[Source], Iterator[str]], path: str, text: str) -> None:
    assert complaints_about(check, path, text) == []


def test_every_check_is_fed_a_violation() -> None:
    assert {check for check, _, _ in PLANTED} == set(CHECKS)
