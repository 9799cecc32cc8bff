"""The command line of PRMLab: `python -m prmlab COMMAND`."""

import argparse
import sys
from collections.abc import Sequence

from prmlab import __version__, commands, doctor

EPILOG = """\
examples:
  python -m prmlab doctor        is everything here that the notebooks need?
  python -m prmlab label traces.jsonl labelled.jsonl
  python -m prmlab train-prm labelled.jsonl --base verifier-base --out my-prm
  python -m prmlab evaluate held_out.jsonl --prm my-prm
  make lab                       set everything up and open the first notebook

A line of a file of traces (labels: 1 right, 0 neutral, -1 wrong, null not known; or none at all):
  {"problem": {"id": "p1", "text": "2 + 3 * 4 = ?", "answer": "14"}, "finished": true,
   "steps": ["3 * 4 = 12", "Answer: 14"], "labels": [1, 1]}      all of it in one line
Files of PRM800K, Math-Shepherd, TRL, ProcessBench and others become such lines in Python, by
prmlab.datasets: prm800k, math_shepherd, stepwise, processbench, prmbench, ...
  from prmlab import traces
  from prmlab.datasets import math_shepherd
  traces.write_jsonl("traces.jsonl", math_shepherd.read("math-shepherd.jsonl"))
"""


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, a function of the parsed arguments."""
    top = argparse.ArgumentParser(
        prog="prmlab", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="PRMLab: a course and workbench on process reward models, in Jupyter.")
    top.add_argument("--version", action="version", version=f"prmlab {__version__}")
    top_commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    command = top_commands.add_parser(
        "doctor", help="what this machine has and lacks, with a one-line mend for each",
        description="Look at Python, packages, JupyterLab's kernel, server and widgets, browser, "
                    "GPU, disk and data. Changes nothing. Exit code 1 if a notebook would stop.")
    command.set_defaults(run=doctor.run)
    commands.add(top_commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    args = parser().parse_args(arguments)
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
