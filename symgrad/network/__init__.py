"""Syntax trees of the notation come in; graphs of nodes go out, for networks, fragments and claims."""

from __future__ import annotations

from symgrad.network.build import parse
from symgrad.network.claims import ClaimSides, claim_sides
from symgrad.network.own_ops import UserOp, define

__all__ = ["ClaimSides", "UserOp", "claim_sides", "define", "parse"]
