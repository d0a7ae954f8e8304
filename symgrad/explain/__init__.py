"""A derivation comes in; worked solutions and exercises go out as format-free documents."""
