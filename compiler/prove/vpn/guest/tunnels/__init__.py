"""The kinds of tunnel, each with its own software at both ends."""
