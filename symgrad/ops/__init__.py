"""The library's ops: one row is one index equation, and everything else about an op is derived from it."""
