"""The steps that bring a database from one version of Nudge to the next."""
