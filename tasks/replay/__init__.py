"""Looking at what went wrong, and setting it going again: refused events, photos without a score, dead requests."""
