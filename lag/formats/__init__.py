"""What a generator is exported to and imported from."""
