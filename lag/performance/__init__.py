"""What a step costs, how fast it is, and where its time goes."""
