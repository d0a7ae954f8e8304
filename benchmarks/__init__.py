"""Measurements against peers: results are compared before anything is timed, and every figure is a ratio of one interleaved run."""
