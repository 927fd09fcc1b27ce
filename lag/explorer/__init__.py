"""The explorer: the set of plausible pictures under a person's hand, in a browser."""
