"""Checks of the reader's answers: one module a notebook, each with a mapping `CHECKS`."""
