"""Numbers: a step-by-step executor, compiled programs, and the check of one against the other."""
