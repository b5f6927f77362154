"""`retake rescore`: have the workers score stored photos with another model, when they have nothing better to do."""
