"""Measurements, run by hand or by ``make bench``. No test depends on them."""
