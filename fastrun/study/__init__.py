"""Proving what a heuristic buys, by runs that are paired over seeds."""
