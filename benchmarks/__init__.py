"""Measurements of Nudge beside its peers, each run from the root of the checkout by ./run bench."""
