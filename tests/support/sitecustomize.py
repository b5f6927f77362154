"""Puts the loopback guard into every Python process that the tests start (this folder is on PYTHONPATH)."""

import loopback_guard

loopback_guard.install()
