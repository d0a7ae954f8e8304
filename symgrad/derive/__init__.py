"""Derivatives of graphs: each is a graph of the same kind of nodes, so that deriving applies to it again."""
