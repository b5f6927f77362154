"""Showing what went wrong, and publishing refused events again."""
