"""The parts of a check of backward rules: what is asked, points, trials, evidence, diagnosis."""
