"""Two router families of the imaginary maker ACME."""
