"""Bad input for the real programs: kinds of it, what runs the programs, and what judges them."""
