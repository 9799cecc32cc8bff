"""Widgets, one module each: `step_annotator`, `quiz`, `threshold_explorer`."""
