"""`retake report`: one page that shows what the threshold does, and how the work goes."""
