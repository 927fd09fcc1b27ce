"""The methods that LAG is compared with."""
