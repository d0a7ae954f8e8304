"""A document of symgrad.explain comes in; files in every supported format go out, one module a format."""
