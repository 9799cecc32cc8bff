"""Public data sets by name: fetched from their source, only when asked, whole or not at all.

Every file is pinned by commit, size and SHA-256. A fetch that was cut off goes on from where it
stopped; a file whose hash differs is never kept under its name. Nothing is sent but the request.
Does not read the files. ProcessBench and Math-Shepherd lie on a hub whose hashes were not seen
when this was written: those two are read by path alone.
"""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from prmlab import catalog

if TYPE_CHECKING:
    from http.client import HTTPResponse

_GITHUB = "https://raw.githubusercontent.com"
_LFS = "https://media.githubusercontent.com/media"
_MISTAKE = (_GITHUB, "WHGTyen/BIG-Bench-Mistake", "270683a4ecce6f3b22c4ab28a204ab8fa09f2517", "")
_GSM8K = (_GITHUB, "openai/grade-school-math", "5d331b448c28db43ef0d513bb1224e1a4b10950a",
          "grade_school_math/data/")
_PRM800K = (_LFS, "openai/prm800k", "7ecc794703b2877f63226f2477a49b34f9b25163", "prm800k/data/")
_PRMBENCH = (_GITHUB, "ssmisya/PRMBench", "a1ae4eab803e14c4c6316bf89d1679b0486faa8c",
             "mr_eval/tasks/prmtest_classified/data/")
_BY_PATH = {"processbench": "Qwen/ProcessBench", "math-shepherd": "peiyi9979/Math-Shepherd"}
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Source:
    """Where a public file is, and what proves it whole."""

    url: str
    sha256: str
    bytes: int
    licence: str

    @property
    def file(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


def _source(where: tuple[str, str, str, str], licence: str, file: str, size: int,
            sha256: str) -> Source:
    host, repository, commit, folder = where
    return Source(f"{host}/{repository}/{commit}/{folder}{file}", sha256, size, licence)


PUBLIC: Mapping[str, Source] = MappingProxyType({name: _source(*row) for name, *row in (
    ("bigbench-mistake/dyck_languages", _MISTAKE, "Apache-2.0",
     "dyck_languages.jsonl", 947_649,
     "38cf1f524d119ce8d12c21d933ed8aa8d82bb5a36c4f6e71ed499ede234512f4"),
    ("bigbench-mistake/logical_deduction", _MISTAKE, "Apache-2.0",
     "logical_deduction.jsonl", 743_519,
     "f521efec7c975558ac6a35e8d66a84bc17ff696865c622bc93604307bc63f0cd"),
    ("bigbench-mistake/multistep_arithmetic", _MISTAKE, "Apache-2.0",
     "multistep_arithmetic.jsonl", 192_067,
     "b3f9a99e62bdcb758d6cafc531a43f6d6bca6812190cce4f982d1c01ac0767d3"),
    ("bigbench-mistake/tracking_shuffled_objects", _MISTAKE, "Apache-2.0",
     "tracking_shuffled_objects.jsonl", 301_489,
     "637282d5721b76fb5a1d3b1eedef0b476b2a6634bd91f281ca69b782a670bd42"),
    ("bigbench-mistake/word_sorting", _MISTAKE, "Apache-2.0",
     "word_sorting.jsonl", 1_075_927,
     "e9deb2c57f7fc87f2d10336bc350c93c599bd3f483e3fb0ffb54854257ef8159"),
    ("gsm8k-solutions", _GSM8K, "MIT",
     "example_model_solutions.jsonl", 2_563_513,
     "4bc62db838f8418365d51c627bd66294cbdca9fb7f01519cb13f0dce8c51580b"),
    ("prm800k/phase1_train", _PRM800K, "MIT",
     "phase1_train.jsonl", 7_900_236,
     "e9da6a73f827ffb9a8c0dc644c541d34ed76b3d4d1e4896ff5f7b37ddf5ae34d"),
    ("prm800k/phase1_test", _PRM800K, "MIT",
     "phase1_test.jsonl", 829_105,
     "f4b3bc5b095e45c816453dc4d748b755c680d61d55f9895d929a335b487c727d"),
    ("prm800k/phase2_train", _PRM800K, "MIT",
     "phase2_train.jsonl", 456_135_365,
     "1110237feeb51d1bc200cb37b8f965cfdc1036eac7d506094049366fe7dc1089"),
    ("prm800k/phase2_test", _PRM800K, "MIT",
     "phase2_test.jsonl", 12_240_719,
     "6b172efa884ac8341a946dd82e06947c135b7254109fb3f7aa907c715d98aaad"),
    ("prmbench/test_p1_circular", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_circular.jsonl", 288_222,
     "7205855b6b7e9a161b9b7c1e163274bea5b9ecd4ba0a435100e8e545fea42a4a"),
    ("prmbench/test_p1_confidence", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_confidence.jsonl", 310_456,
     "17ec2af85dfb6cc230c9d4c6f3b6b9b7668d5bcb7db0e8ae9e2b6b74e6b5a509"),
    ("prmbench/test_p1_counterfactual", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_counterfactual.jsonl", 308_466,
     "18774eff6acc1a1ff8d8be5168d451511a1bb42d1b6a000f50db008cfb0a0d54"),
    ("prmbench/test_p1_deception", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_deception.jsonl", 297_924,
     "5a68973f459b49be56e6e2d375bf69668dcf8476c79096c1541e293bb02df44f"),
    ("prmbench/test_p1_domain_inconsistency", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_domain_inconsistency.jsonl", 307_869,
     "551818a44f7ccebda16743711f6f60198cd6617296c559243b3866fd7f562f0d"),
    ("prmbench/test_p1_missing_condition", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_missing_condition.jsonl", 308_540,
     "216f8ea75d585becbb915070faa39b46ac07f618e7ece33bb3931ff0247b371c"),
    ("prmbench/test_p1_redundency", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_redundency.jsonl", 304_187,
     "0c23552bf0abb801acc11ee18954c4595101f334761362afa809af76238eb2c9"),
    ("prmbench/test_p1_step_contradiction", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p1_4o_step_contradiction.jsonl", 309_610,
     "7d291f5596715f8b21db2aae2ebcc5b7347b099f0cc66a7a2788ee56601c4aa8"),
    ("prmbench/test_p2_circular", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_circular.jsonl", 752_990,
     "531060d9a79fb9561b046361258c993bfe06a6e8df18e0f8f30bb28df0a200c4"),
    ("prmbench/test_p2_confidence", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_confidence.jsonl", 824_926,
     "53ba01695ab145a8393f20cac6f96b9b836e39f169fc4ff18d7ed48cac9c1a0d"),
    ("prmbench/test_p2_counterfactual", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_counterfactual.jsonl", 824_881,
     "8910343b84696dc2b36cc7b1833e934897e55c66bbe4b93d5040736443a2f03d"),
    ("prmbench/test_p2_deception", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_deception.jsonl", 816_482,
     "b98ba8ef38abbcb04ce8766e1bcb80e6aafb19661da675e3c2334e44ace3acdd"),
    ("prmbench/test_p2_domain_inconsistency", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_domain_inconsistency.jsonl", 836_151,
     "66bc63f3080fcbe8b372f0fe460b4f26f9ffd1cedef9a85e4cd354c9547ca479"),
    ("prmbench/test_p2_missing_condition", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_missing_condition.jsonl", 845_385,
     "93b52efc514eeaed3156c1fccf3c9e4e7b633f0eb131c1a50a3b9a1d45b6c18c"),
    ("prmbench/test_p2_redundency", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_redundency.jsonl", 836_159,
     "e729812baf0c3456dc7eafb856a8380f9c21579ea225f307d0edd947cd5e2746"),
    ("prmbench/test_p2_step_contradiction", _PRMBENCH, "Apache-2.0",
     "prm800k_test_p2_4o_step_contradiction.jsonl", 815_381,
     "7c77a62dfb9165db3d5033732eaef161b6d8dee09d548db6cb08d1a5ed4e74ac"),
    ("prmbench/train_p1_circular", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_circular.jsonl", 1_186_499,
     "a4eae35fba1f169dc3a05f5e90ef7087c4be21c8dfbf9268ffbc750588221b89"),
    ("prmbench/train_p1_confidence", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_confidence.jsonl", 1_316_236,
     "3ed32dd0b67c59df3c854bacb72cc6d298aebc53e817eb61e504ff5de890711b"),
    ("prmbench/train_p1_counterfactual", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_counterfactual.jsonl", 1_310_901,
     "da97d496e32476912b4fcbc3254488f430f294ef6346698d5ce39af67ae24b00"),
    ("prmbench/train_p1_deception", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_deception.jsonl", 1_302_163,
     "1125095799e9792d72156417f06acec7017447fdbe24d03129af5ca6e355a9cd"),
    ("prmbench/train_p1_domain_inconsistency", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_domain_inconsistency.jsonl", 1_319_893,
     "2d68581c14f0d9dd9fa106f2060afb462561c2dd67246c0dea8ed393c90fe375"),
    ("prmbench/train_p1_missing_condition", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_missing_condition.jsonl", 1_324_057,
     "0d5f020b02bf4c631f0feb37063d0e7f2d6049c27d75dbc859ba81120e8a7070"),
    ("prmbench/train_p1_redundency", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_redundency.jsonl", 1_329_916,
     "03723fc0a28d896351969632c6e98e3d09c73cef41c4a5899ffdcc1ade28be47"),
    ("prmbench/train_p1_step_contradiction", _PRMBENCH, "Apache-2.0",
     "prm800k_train_p1_first400_4o_step_contradiction.jsonl", 1_302_345,
     "35accaa8eb3dc3e95eacfc51135b18949a1c68729e33803eb5edb3079dd8acdb"),
    ("prmbench/multi_solutions", _PRMBENCH, "Apache-2.0",
     "prm_test_p12_multi_solutions.jsonl", 928_744,
     "4cda3e5946f02d0c3e79bd9e2513af8cde2efe83868c63e469ca10388a98a99d"),
)})


def fetch(name: str, folder: str | os.PathLike[str], *, timeout: float = 30.0) -> Path:
    """The path of a public file in `folder`, fetched if it is not there yet.

    Call it again after a cut: it asks only for the bytes that are missing.

    Args:
        name: a key of `PUBLIC`, such as "prm800k/phase1_test".
        folder: where to keep it; made if need be.
        timeout: seconds without a byte after which to give up.

    Raises:
        ValueError: for a name that is none, with those that come close; if the source cannot be
            reached, with what to do instead; if what came has another hash.
    """
    if name not in PUBLIC:
        if name.lower() in _BY_PATH:
            raise ValueError(f"{name} is read by path alone, since its hash is not known here: "
                             f"download {_BY_PATH[name.lower()]} from its hub, then read the file")
        near = [key for key in PUBLIC if key.startswith(name.partition("/")[0])] or list(PUBLIC)
        raise ValueError(f"no public file {name!r}; there are: {', '.join(near)}")
    return download(PUBLIC[name], folder, timeout=timeout)


def download(source: Source, folder: str | os.PathLike[str], *, timeout: float = 30.0) -> Path:
    """The path of a source's file in `folder`; as `fetch`, which names the errors."""
    path = Path(folder) / source.file
    if path.is_file():
        if catalog.sha256(path) != source.sha256:
            raise ValueError(f"{path} is not the file of {source.url}: its SHA-256 differs; move "
                             "it away, then fetch again")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    _complete(source, part, path, timeout)
    if part.stat().st_size != source.bytes or catalog.sha256(part) != source.sha256:
        part.unlink()
        raise ValueError(f"what {source.url} gave is not the file that was pinned: its SHA-256 "
                         "differs; nothing was kept. Fetch again; if it happens twice, the "
                         "source has changed, or something stands between it and you")
    part.replace(path)
    return path


def _complete(source: Source, part: Path, path: Path, timeout: float) -> None:
    """Fetch what `part` lacks of the source."""
    from http.client import HTTPException  # 20 ms of imports, for those who fetch
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    there = part.stat().st_size if part.is_file() else 0
    if there == source.bytes:
        return
    if there > source.bytes:
        part.unlink()
        there = 0
    request = Request(source.url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        with urlopen(request, timeout=timeout) as response:
            _append(response, part, source.bytes)
    except (OSError, HTTPException) as error:
        why = f"it answered {error.code}" if isinstance(error, HTTPError) else str(error)
        have = part.stat().st_size if part.is_file() else 0
        raise ValueError(
            f"cannot fetch {source.url}: {why}. {have:,} of {source.bytes:,} bytes are here and "
            f"will be used when you fetch again. Without a network: get that file on another "
            f"machine, and put it at {path}, or read it from any path") from None


def _bar(size: int) -> Any:
    """A text bar, shown after two seconds."""
    try:
        from tqdm import tqdm  # the `learn` extra brings it; without it nothing is shown
    except ImportError:
        return nullcontext(SimpleNamespace(update=lambda n: None))
    return tqdm(total=size, delay=2, mininterval=1, unit="B", unit_scale=True)


def _append(response: "HTTPResponse", part: Path, size: int) -> None:
    """Write what comes after what is there; a server that starts over starts the file over."""
    with part.open("ab" if response.status == 206 else "wb") as out, _bar(size) as bar:
        bar.update(out.tell())
        while chunk := response.read(_CHUNK):
            out.write(chunk)
            bar.update(len(chunk))
            if out.tell() > size:
                break  # more than the file has: its hash will say so
    if part.stat().st_size < size:
        raise OSError("the connection ended early")
