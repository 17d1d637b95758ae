"""The commands of `nudge`, one file each; every file exports `command`."""
