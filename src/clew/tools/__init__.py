"""Whole indexes moved and kept: import, export, check, compact, backup."""
