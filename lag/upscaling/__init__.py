"""From pictures in files to sets of larger pictures in files."""
