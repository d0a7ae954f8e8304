"""Plans: in which order a derivative is computed, what is kept for the backward pass, what it costs."""
