"""Alembic's migrations; a package, so that an installed service finds them."""
