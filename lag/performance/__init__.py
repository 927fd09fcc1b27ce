"""How fast a step is, how much memory and time it takes, and where its time goes."""
