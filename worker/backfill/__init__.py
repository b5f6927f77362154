"""`retake backfill`: publish a catalogue that was there before Retake was."""
