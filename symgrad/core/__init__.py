"""Index equations, their derivatives, and graphs of nodes that instantiate them."""
