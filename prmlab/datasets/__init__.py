"""Public data sets of labelled traces, one module a format: `read` all, and `write` two of them.

`prm800k`, `math_shepherd`, `stepwise` (TRL), `processbench`, `prmbench`, `bigbench_mistake`,
`gsm8k_solutions`, `omegaprm`, `recorded` (a recorded best-of-N run). Each has
`read(path, ...) -> rows.Reading`, which yields `Trace`s one at a time and counts what it met;
`prm800k` and `stepwise` have `write(path, traces, ...)`. `public` fetches a file from its
public source, only when asked.
"""
