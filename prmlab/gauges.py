"""What training does to the hardware: memory, and the share of a device's peak it reaches."""

import os
import re

import torch

# Dense bf16 products without sparsity, FLOP/s, from the makers' data sheets.
PEAKS = {"B200": 2250e12, "H200 NVL": 835e12, "H200": 989e12, "H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12,
         "GH200": 989e12, "A100": 312e12, "L40S": 362e12, "L40": 181e12, "A10G": 70e12,
         "A10": 125e12, "L4": 121e12}


def begin(device: torch.device) -> None:
    """From here on `memory_mb` is asked for: what ran before on the device does not count."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def memory_mb(device: torch.device) -> float:
    """The device's peak since `begin`, or on a CPU the process's resident memory; NaN if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return float("nan")


def peak_of(name: str) -> float | None:
    """The bf16 peak of a device by its name, FLOP/s; None if it is not known, or a part of a device.

    Example:
        >>> peak_of("NVIDIA H100 80GB HBM3"), peak_of("AMD EPYC")
        (989000000000000.0, None)
    """
    if re.search(r"\bMIG\b", name):
        return None
    return next((peak for words, peak in PEAKS.items() if re.search(rf"\b{words}\b", name)), None)


def matrix_parameters(model: torch.nn.Module) -> int:
    """Parameters through which every token passes: all but embeddings."""
    inside = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding)
              for p in m.parameters(recurse=False)}
    return sum(p.numel() for p in model.parameters() if id(p) not in inside)


def share_of_peak(n_parameters: int, tokens_per_s: float, device: torch.device) -> float | None:
    """6 operations a parameter and token, forward and backward, by the peak; None on a CPU.

    Attention is left out, and so are tokens that were not run; the last layer counts as if it were
    run for all tokens (`last_layer`), which at 30 layers is a thirtieth too much at most.

    Args:
        n_parameters: those of `matrix_parameters`.
        tokens_per_s: tokens run by this device.
    """
    if device.type != "cuda":
        return None
    peak = peak_of(torch.cuda.get_device_name(device))
    return None if peak is None else 6 * n_parameters * tokens_per_s / peak
