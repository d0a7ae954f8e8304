"""Derivatives as people read them: closed matrix forms, component forms, chains of factors; as text, LaTeX and sympy."""
