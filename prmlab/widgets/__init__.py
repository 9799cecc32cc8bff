"""Widgets, one module each: `step_annotator`, `quiz`, `rollout_fan`, `threshold_explorer`,
`beam_explorer`."""
