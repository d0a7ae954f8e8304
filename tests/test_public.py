"""The public names: the lazy package, what type checkers see of it, and operators on nodes agree."""
from __future__ import annotations

import ast
from pathlib import Path

import numpy as np

import symgrad as sg


def test_the_stub_names_what_the_package_has() -> None:
    tree = ast.parse(Path(sg.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imported = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname}
    declared = {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    assert imported | declared - {"__all__", "__version__"} == set(sg.__all__)


def test_every_public_name_can_be_had_and_says_what_it_is() -> None:
    for name in sg.__all__:
        assert getattr(sg, name).__doc__


def test_functions_take_nodes_and_arrays_alike() -> None:
    z = sg.data("z", "n")
    assert isinstance(sg.tanh(z), sg.Node)
    np.testing.assert_allclose(sg.tanh(np.array([0.5])), np.tanh([0.5]))
    assert sg.tanh(z) is np.tanh(z)
