"""Muon for the matrices inside a transformer, AdamW for everything else, as one optimizer.

Muon replaces a matrix's momentum by the nearest orthogonal matrix (Newton-Schulz, five rounds).
Seen once on the tiny policy (one CPU thread, 150 s, batch 32; no record was kept): the loss that
AdamW reaches after 21,000 examples comes after 15,000. `torch.optim.Muon` is not used because it
computes in bfloat16, which CPUs without AVX512-BF16 run a hundred times slower than float32.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
"""

import torch
from torch import Tensor

A, B, C = 3.4445, -4.7750, 2.0315  # the quintic of the source, section "Newton-Schulz"
HEADS = ("embed", "lm_head", "score", "classifier")  # in the names of what is no inner matrix
ADAM_SHARE = 0.15  # AdamW's learning rate as a share of Muon's


def orthogonalise(matrices: Tensor, *, rounds: int = 5) -> Tensor:
    """Each matrix's singular values moved close to 1 (0.7 to 1.2), its singular vectors kept.

    Args:
        matrices: [n, rows, columns], float32.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon on the weight matrices of the body, AdamW on embeddings, norms and heads.

    Args:
        model: its parameters are sorted by name and shape: a matrix is Muon's unless it is an
            embedding or a head (`HEADS`).
        lr: Muon's learning rate; AdamW's is `ADAM_SHARE` of it.
    """

    def __init__(self, model: torch.nn.Module, *, lr: float, weight_decay: float = 0.01,
                 momentum: float = 0.95, betas: tuple[float, float] = (0.9, 0.95)):
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        tables = {id(p) for m in model.modules() if isinstance(m, torch.nn.Embedding)
                  for p in m.parameters()}
        inside = [p for name, p in named if p.ndim == 2 and id(p) not in tables
                  and not any(word in name for word in HEADS)]
        ids = {id(p) for p in inside}
        outside = [p for _, p in named if id(p) not in ids]
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas}
        super().__init__([{"params": inside, "muon": True, "share": 1.0},
                          {"params": outside, "muon": False, "share": ADAM_SHARE}], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of every parameter that has a gradient; `closure` is not used."""
        for group in self.param_groups:
            update = self._muon if group["muon"] else self._adamw
            update(group, [p for p in group["params"] if p.grad is not None])

    def _muon(self, group: dict, parameters: list[Tensor]) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for p in parameters:
            by_shape.setdefault(p.shape, []).append(p)
        for shape, same in by_shape.items():
            moved = []
            for p in same:
                kept = self.state[p].setdefault("momentum", torch.zeros_like(p))
                kept.lerp_(p.grad, 1 - group["momentum"])
                moved.append(p.grad.lerp(kept, group["momentum"]))
            scale = max(1.0, shape[0] / shape[1]) ** 0.5
            for p, update in zip(same, orthogonalise(torch.stack(moved)), strict=True):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * scale)

    def _adamw(self, group: dict, parameters: list[Tensor]) -> None:
        first, second = group["betas"]
        for p in parameters:
            state = self.state[p]
            if not state:
                state.update(mean=torch.zeros_like(p), square=torch.zeros_like(p),
                             step=torch.zeros((), dtype=torch.float32))
            state["step"] += 1
            n = state["step"].item()
            state["mean"].lerp_(p.grad, 1 - first)
            state["square"].lerp_(p.grad.square(), 1 - second)
            size = (state["square"] / (1 - second ** n)).sqrt_().add_(1e-8)
            p.addcdiv_(state["mean"] / (1 - first ** n), size, value=-group["lr"])


def adamw(model: torch.nn.Module, *, lr: float, weight_decay: float = 0.01,
          betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.AdamW:
    """AdamW on every parameter, in torch's fused form; for comparisons and for large models."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=lr, weight_decay=weight_decay, betas=betas, fused=True)
