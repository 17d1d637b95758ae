"""The interpreter of tapes: it walks rows forward and backward (walk.py), descends gradients
(descent.py), and is entered by one door (entry.py)."""
