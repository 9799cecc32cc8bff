"""Muon: singular values near one, AdamW's numbers by hand."""

import pytest
import torch

from prmlab.muon import ADAM_SHARE, Muon, orthogonalise


@pytest.mark.parametrize("shape", [(3, 8, 5), (2, 5, 8), (1, 6, 6)])
def test_orthogonalise_keeps_directions_and_evens_out_sizes(shape):
    g = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    left, sizes, right = torch.linalg.svd(orthogonalise(g), full_matrices=False)
    assert sizes.min() > 0.6 and sizes.max() < 1.3
    u, _, v = torch.linalg.svd(g, full_matrices=False)
    assert torch.allclose((left @ right), u @ v, atol=0.35)


def test_the_rest_moves_as_adamw_does():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.score = torch.nn.Linear(3, 2, bias=False)

    ours, theirs = Net(), Net()
    theirs.load_state_dict(ours.state_dict())
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.1 * ADAM_SHARE, betas=(0.9, 0.95),
                                  weight_decay=0.0)
    own = Muon(ours, lr=0.1)
    for group in own.param_groups:
        group["lr"] = 0.1 * group["share"]
    for step in range(4):
        for net in (ours, theirs):
            net.score.weight.grad = torch.arange(6.0).view(2, 3) - 2 + step
        own.step()
        reference.step()
    assert torch.allclose(ours.score.weight, theirs.score.weight, atol=1e-6)
