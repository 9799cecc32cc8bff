"""Public process reward models, each behind `protocols.StepScorer`: a small class a convention.

`rewards.PRM.load(name)` picks the class by name or config (`choice`); each can be used by itself.
`tagged`: causal LMs that answer + or - at a tag. `headed`: small heads on a backbone. `implicit`:
policy against reference. `generative`: verifiers that write before they judge. All follow the
rules that broken public code taught: ids by piece, scores by position, one a step or an error.
No code from a hub or from a model's mouth is ever run. The conventions were read in the sources
that each class names; the weights themselves, of 1 to 72 billion parameters, were not run here.
"""
