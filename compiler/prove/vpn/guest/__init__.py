"""What runs inside of the guest. Standard library only; ``program.py`` carries it there."""
