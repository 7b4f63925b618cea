"""Backends: who carries a command."""
