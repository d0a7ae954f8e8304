"""Other libraries' programs come in: NumPy functions, traced, become graphs."""
