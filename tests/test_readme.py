"""Every page of the project runs as it is printed: its Python, its commands, its networks, its links."""
from __future__ import annotations

import ast
import contextlib
import doctest
import io
import re
import shlex
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import symgrad
from symgrad.errors import SymgradError

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
SYMGRAD = [sys.executable, "-c", "import sys; sys.argv[0] = 'symgrad'; from symgrad.cli import main; sys.exit(main())"]
NOT_OURS = ("git ", "cd ", "pip ", "python ")              # commands that .ci/run gives, or that fetch the project


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, the place to name in a complaint, and whether it directly follows the one before."""

    language: str
    body: str
    place: str
    line: int
    follows: bool


def blocks(text: str, page: str) -> Iterator[Block]:
    end = 0
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(match["language"], match["body"], f"{page}:{line}", line, not text[end:match.start()].strip())
        end = match.end()


def compare(wanted: str, got: str, place: str) -> None:
    """Raise AssertionError unless the texts agree up to white space, `...` standing for anything."""
    assert doctest.OutputChecker().check_output(wanted.rstrip() + "\n", got.rstrip() + "\n", FLAGS), \
        f"{place}: the page says\n{wanted}\nbut it is\n{got}"


def run_session(block: Block, namespace: dict[str, object]) -> None:
    """Run a `>>>` block in the page's namespace and compare what it prints."""
    test = doctest.DocTestParser().get_doctest(block.body, namespace, block.place, None, block.line)
    report = io.StringIO()
    failed, _ = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.write, clear_globs=False)
    namespace.update(test.globs)
    assert not failed, f"{block.place}: {report.getvalue()}"


def promises(body: str) -> dict[int, str]:
    """What the page says a statement gives: line number -> the text behind `# ->`."""
    tokens = tokenize.generate_tokens(io.StringIO(body).readline)
    return {token.start[0]: token.string[4:].strip() for token in tokens
            if token.type == tokenize.COMMENT and token.string.startswith("# ->")}


def run_statements(block: Block, namespace: dict[str, object]) -> None:
    """Run a block statement by statement; a `# ->` comment behind or below one is what it prints, or its value."""
    said = promises(block.body)
    statements = ast.parse(block.body, block.place).body
    assert statements or not said, f"{block.place}: a promise without a statement"
    for statement, following in zip(statements, [*statements[1:], None], strict=True):
        stop = following.lineno if following else sys.maxsize
        wanted = "\n".join(text for line, text in said.items() if statement.lineno <= line < stop)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if wanted and isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), block.place, "eval"), namespace)
                if value is not None:
                    print(value)
            else:
                exec(compile(ast.Module([statement], []), block.place, "exec"), namespace)
        if wanted:
            compare(wanted, printed.getvalue(), f"{block.place} (line {statement.lineno} of the block)")


def commands(body: str) -> list[str]:
    """The command lines of a shell block, continued lines joined, comment lines left out."""
    lines = (line.strip() for line in body.replace("\\\n", " ").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def run_command(command: str, folder: Path, place: str) -> str:
    """What a `symgrad ...` line prints; it ends with status 0, or with the one its comment `# exit 1` names."""
    words = shlex.split(command, comments=True)
    assert words[0] == "symgrad" and not {"|", ">", "<", "&", "&&", ";"} & set(words), f"{place}: no plain symgrad command: {command}"
    promised = re.search(r"# exit (\d+)$", command)
    done = subprocess.run([*SYMGRAD, *words[1:]], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
                          check=False)
    assert done.returncode == (int(promised[1]) if promised else 0), f"{place}: {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def run_page(text: str, page: str, folder: Path) -> int:
    """Run all blocks of a page in order, in one namespace and one folder; the count of those that were run."""
    namespace: dict[str, object] = {"__name__": "__page__"}
    printed: str | None = None
    count = 0
    for block in blocks(text, page):
        if block.language == "text" and block.follows and printed is not None:
            compare(block.body, printed, block.place)
        printed = None
        if block.language == "python":
            (run_session if block.body.lstrip().startswith(">>>") else run_statements)(block, namespace)
        elif block.language == "sh":
            for command in commands(block.body):
                if not command.startswith(NOT_OURS):
                    printed = run_command(command, folder, block.place)
        elif block.language == "sg":
            symgrad.parse(block.body)
        else:
            continue
        count += 1
    return count


def broken_links(text: str, folder: Path) -> list[str]:
    """Relative targets of links and pictures that are no file below `folder`."""
    prose = re.sub(r"`[^`\n]*`|^    .*$", "", FENCE.sub("", text), flags=re.MULTILINE)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    return [target for target in targets if "://" not in target and not (folder / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    count = run_page(text, page.name, tmp_path)
    assert count or page.name != "README.md"
    assert not broken_links(text, page.parent)


def test_continuous_integration_gives_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    given = [command for block in blocks((ROOT / "README.md").read_text(encoding="utf-8"), "README.md") if block.language == "sh"
             for command in commands(block.body) if command.startswith(("pip ", "python "))]
    assert given and [command for command in given if command not in script] == []


WRONG = {
    "an exception": "```python\nassert 1 + 1 == 3\n```\n",
    "a value": "```python\n1 + 1   # -> 3\n```\n",
    "a printed line": "```python\nprint('a')\n# -> b\n```\n",
    "a value that an assignment does not print": "```python\nx = 1   # -> 1\n```\n",
    "a session": "```python\n>>> 1 + 1\n3\n```\n",
    "a name from another page": "```python\nunknown\n```\n",
    "a promise alone": "```python\n# -> 3\n```\n",
    "a second block": "```python\nx = 1\n```\nand\n```python\nassert x == 2\n```\n",
    "a shell pipe": "```sh\nsymgrad --help | head\n```\n",
    "another program": "```sh\ntrue\n```\n",
    "a command that fails": "```sh\nsymgrad no-such-command\n```\n",
    "a status": "```sh\nsymgrad --help   # exit 1\n```\n",
    "an output": "```sh\nsymgrad --help\n```\n\n```text\nnothing of the kind\n```\n",
    "a network": "```sg\nloss = undeclared\n```\n",
}
RIGHT = """Text.

```python
x = 2
x + 1            # -> 3
print("a", "b")
# -> a b
sum([
    x,           # not a promise
    0.123456789,
])               # -> 2.123...
```

```python
>>> y = x + 1
>>> y
3
```

```python
assert (x, y) == (2, 3)
```

```
anything
```
"""


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_page_is_seen(text: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, NameError, SymgradError)):
        run_page(text, "wrong.md", tmp_path)


def test_a_right_page_passes(tmp_path: Path) -> None:
    assert run_page(RIGHT, "right.md", tmp_path) == 3


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "here.md").touch()
    text = "[a](here.md#part) ![b](lost.svg) [c](https://example.org)\n```python\nf[0](1)\n```\n`f[0](1)`\n\n    f[0](1)\n"
    assert broken_links(text, tmp_path) == ["lost.svg"]
