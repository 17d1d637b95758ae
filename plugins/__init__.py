"""Op plugins, one file each; README.md shows how to write one."""
