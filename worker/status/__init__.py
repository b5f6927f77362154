"""`retake status`: how the work stands, at one look."""
