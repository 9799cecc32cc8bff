"""Write data/MANIFEST.json: each file's size, hash, and the command and seed that made it.

The command and seed of a model's files come from the `training.json` beside them, those of
other files from the table here; a file that neither names is an error, so that nothing in data/
is of unknown origin.
"""

import argparse
import json
import os
import sys
from fnmatch import fnmatch
from pathlib import Path

from prmlab import catalog

BY_HAND = ("README.md", "course/*", "*/README.md", "*/LICENSE*")
MADE_BY = {  # pattern of the name in data/ -> command, seed
    "traces/*.jsonl": ("python scripts/make_data.py", 2),
    "runs/search.json": ("python scripts/record_search.py --problems 100 --validation 30", 1),
    "runs/learning.json": ("python scripts/record_learning.py", 1),
    "runs/kill_training.json": (
        "python scripts/kill_training.py --kills 30 --json data/runs/kill_training.json", 0),
    "runs/benchmark_training_tiny.json": (
        "python scripts/benchmark_training.py --clock cpu --threads 1 --seeds 8 --padded-seeds 2 "
        "--ways trl padded ours --peer-python PYTHON --json data/runs/benchmark_training_tiny.json", 0),
    "runs/benchmark_training_tiny_2_threads.json": (
        "python scripts/benchmark_training.py --threads 2 --seeds 4 --ways trl ours --peer-python PYTHON "
        "--json data/runs/benchmark_training_tiny_2_threads.json", 0),
    "runs/together.json": ("python scripts/measure_together.py --json data/runs/together.json", 0),
    "runs/benchmark_training_100m.json": (
        "python scripts/benchmark_training.py --clock cpu --threads 1 --shape 100m --precision bf16 "
        "--problems 160 --epochs 1 --batch-size 64 --rows 8 --trial 64 --ways trl ours padded --seeds 4 "
        "--padded-seeds 1 --peer-python PYTHON --json data/runs/benchmark_training_100m.json", 0),
    "runs/benchmark_training_100m_batch_32.json": (
        "python scripts/benchmark_training.py --clock cpu --threads 1 --shape 100m --precision bf16 "
        "--problems 80 --epochs 1 --rows 8 --trial 64 --ways trl ours padded --seeds 4 --padded-seeds 1 "
        "--peer-python PYTHON --json data/runs/benchmark_training_100m_batch_32.json", 0),
    "runs/benchmark_training_100m_batch_128.json": (
        "python scripts/benchmark_training.py --clock cpu --threads 1 --shape 100m --precision bf16 "
        "--problems 240 --epochs 1 --batch-size 128 --rows 8 --trial 64 --ways trl ours --seeds 4 "
        "--peer-python PYTHON --json data/runs/benchmark_training_100m_batch_128.json", 0),
    "runs/benchmark_training_12000.json": (
        "python scripts/benchmark_training.py --clock cpu --threads 1 --problems 1500 --epochs 1 --seeds 3 "
        "--ways trl ours 'ours apart' --peer-python PYTHON --json data/runs/benchmark_training_12000.json", 0),
    "runs/benchmark_training_12000_batch_128.json": (
        "python scripts/benchmark_training.py --clock cpu --threads 1 --problems 1500 --epochs 1 "
        "--batch-size 128 --seeds 3 --ways trl ours --peer-python PYTHON "
        "--json data/runs/benchmark_training_12000_batch_128.json", 0),
    "runs/training_options.json": (
        "python scripts/measure_training_options.py --rounds 2 --problems 48 && "
        "python scripts/measure_training_options.py --shape 100m --rounds 1 --problems 6 "
        "--batch-size 16 --settings 'two threads' bfloat16 'bfloat16, two threads' Muon", 0),
    "runs/gpu_training.json": ("python scripts/record_gpu_training.py", 0),
    "runs/kill_labels.json": (
        "python scripts/kill_labels.py --ray-kills 5 --json data/runs/kill_labels.json", 0),
    "runs/labels_memory.json": (
        "python scripts/measure_memory_labels.py --json data/runs/labels_memory.json", 0),
    "runs/benchmark_labels_tiny.json": (
        "python scripts/benchmark_labels.py --threads 1 --clock cpu "
        "--json data/runs/benchmark_labels_tiny.json", 7),
    "runs/benchmark_labels_tiny_2_threads.json": (
        "python scripts/benchmark_labels.py --json data/runs/benchmark_labels_tiny_2_threads.json", 7),
    "runs/benchmark_labels_100m.json": (
        "python scripts/benchmark_labels.py --model 100m --traces 2 --generate 1 --textbook 2 --runs 3 "
        "--threads 1 --clock cpu --json data/runs/benchmark_labels_100m.json", 7),
    "runs/smollm2.json": (
        "python scripts/measure_smollm2.py --problems 10 --lora 2 --json data/runs/smollm2.json", 0),
    "runs/label_sources_again.json": ("python scripts/repeat_label_sources.py", 101),
    "runs/label_sources.json": ("python scripts/record_label_sources.py", 1),
    "runs/label_error.json": ("python scripts/record_label_error.py", 1),
    "runs/best_of_1860.npz": ("python scripts/record_best_of_n.py --problems 120", 1),
    "runs/human_data.json": (
        "python scripts/measure_human_data.py FOLDER --prm prm --json data/runs/human_data.json", 0),
    "runs/surprise.json": ("python scripts/measure_surprise.py", 1),
    "runs/benchmark_search.json": (
        "python scripts/benchmark_search.py --threads 1 --clock cpu --runs 3 "
        "--json data/runs/benchmark_search.json", 21),
    "runs/binding.json": ("python scripts/measure_binding.py", 0),
    **dict.fromkeys(("runs/summary.json", "runs/best_of_64.jsonl", "runs/longer.jsonl",
                     "runs/unseen_family.jsonl"), ("python scripts/evaluate_models.py", 1)),
}


def origin(folder: Path, file: str) -> tuple[str, int | None]:
    """The command and seed of one file of `folder`."""
    sidecar = (folder / file).parent / "training.json"
    if sidecar.is_file():
        card = json.loads(sidecar.read_text("utf-8"))
        return card["command"], card.get("seed")
    for pattern, made in MADE_BY.items():
        if fnmatch(file, pattern):
            return made
    if any(fnmatch(file, pattern) for pattern in BY_HAND):
        return "", None
    raise SystemExit(f"data/{file} is of unknown origin: name its command in {__file__}")


def rows(folder: Path) -> list[dict]:
    """One row a file, in the order of their names, without hidden files and the manifest."""
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    made = []
    for file in files:
        if file == "MANIFEST.json" or any(part.startswith(".") for part in Path(file).parts):
            continue
        command, seed = origin(folder, file)
        made.append({"file": file, "bytes": (folder / file).stat().st_size,
                     "sha256": catalog.sha256(folder / file), "command": command, "seed": seed})
    return made


def main() -> None:
    """Write the manifest, and say what it counts."""
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    folder = catalog.data_folder()
    made = rows(folder)
    part = folder / "MANIFEST.json.part"
    part.write_text(json.dumps({"files": made}, indent=1) + "\n", "utf-8")
    os.replace(part, folder / "MANIFEST.json")
    megabytes = sum(row["bytes"] for row in made) / 1e6
    print(f"MANIFEST.json: {len(made)} files, {megabytes:.1f} MB")
    largest = max(made, key=lambda row: row["bytes"], default=None)
    if largest and largest["bytes"] > 8_000_000 or megabytes > 40:
        sys.exit("over the limits of 8 MB a file and 40 MB in all")


if __name__ == "__main__":
    main()
