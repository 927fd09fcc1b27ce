"""What scripts/check_machine.py finds out about a machine, part by part, each in a process of its own."""
