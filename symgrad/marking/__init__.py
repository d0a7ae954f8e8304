"""A network and the lines of someone's derivation come in; a verdict on each line goes out, with its reason and the correct line."""
