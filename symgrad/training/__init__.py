"""Networks and data come in; trained parameters and what is known of their training go out."""
