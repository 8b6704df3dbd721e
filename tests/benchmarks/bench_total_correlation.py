"""Memory and time of the total correlation of a batch, beside the tensor of all pairs.

    python tests/benchmarks/bench_total_correlation.py [--batch 2048] [--size 10] [--device cuda]

Two ways to log q(z) and its marginals for a whole batch, forward and backward, each in a process
of its own:

- blocks: `objectives.total_correlation.log_aggregate`, as training has it;
- pairs: log q(z_id | x_j) as one tensor (B, B, D), which autograd keeps.

Memory is what the process's peak (on a GPU: the allocator's) rises by over its state after a
small batch; Linux only. Time is the best of several rounds. Values and gradients are compared.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.distributions import Normal

from glitchvae.objectives.total_correlation import log_aggregate, log_weights

WAYS = ("blocks", "pairs")
POPULATION = 737_280


def by_pairs(z: Tensor, mean: Tensor, scale: Tensor, own: float, other: float) -> tuple:
    """What `log_aggregate` returns, the direct way."""
    each = Normal(mean, scale, validate_args=False).log_prob(z[:, None])
    weight = other + (own - other) * torch.eye(len(z), dtype=z.dtype, device=z.device)
    joint = (each.sum(dim=-1) + weight).logsumexp(dim=1)
    return joint, (each + weight[..., None]).logsumexp(dim=1)


def run(way: Callable, batch: int, size: int, device: str) -> tuple[float, list[Tensor]]:
    """The total correlation of random codes, and its gradients."""
    generator = torch.Generator().manual_seed(1)
    mean, noise = (torch.randn(batch, size, generator=generator) for _ in range(2))
    scale = 0.2 + 0.5 * torch.rand(batch, size, generator=generator)
    parts = [p.to(device).requires_grad_() for p in (mean + scale * noise, mean, scale)]
    joint, marginals = way(*parts, *log_weights("mss", batch, POPULATION))
    correlation = (joint - marginals.sum(dim=1)).mean()
    correlation.backward()
    return correlation.item(), [p.grad for p in parts if p.grad is not None]


def peak(device: str) -> float:
    """Highest memory so far in MiB."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 2**10


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Memory, time, value and length of the gradient of one way, in this process."""
    way = {"blocks": log_aggregate, "pairs": by_pairs}[options.way]
    run(way, 16, options.size, options.device)
    before = peak(options.device)
    value, gradients = run(way, options.batch, options.size, options.device)
    memory, times = peak(options.device) - before, []
    for _ in range(options.rounds):
        begin = time.perf_counter()
        run(way, options.batch, options.size, options.device)
        times.append(time.perf_counter() - begin)
    norm = float(torch.cat([g.flatten() for g in gradients]).norm())
    return {"memory": memory, "time": min(times), "value": value, "gradient": norm}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--size", type=int, default=10, help="latent dimensions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--way", choices=WAYS, help="measure this one, here, and print JSON")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options)))
        return
    found = {way: in_own_process(way, options) for way in WAYS}
    print(
        f"batch {options.batch}, {options.size} dimensions, {options.device},"
        f" {torch.get_num_threads()} threads; a float32 tensor of all pairs is"
        f" {options.batch**2 * options.size * 4 / 2**20:.0f} MiB"
    )
    for way, figures in found.items():
        ratio = found["pairs"]["memory"] / figures["memory"]
        print(
            f"{way:8s}{figures['memory']:8.0f} MiB ({ratio:5.1f} x less){figures['time']:8.3f} s"
            f"   TC {figures['value']:.5f}   |gradient| {figures['gradient']:.6f}"
        )


def in_own_process(way: str, options: argparse.Namespace) -> dict[str, float]:
    """The figures of one way; what another has allocated does not count."""
    numbers = {name: getattr(options, name) for name in ("batch", "size", "rounds", "device")}
    arguments = [f"--{name}={value}" for name, value in numbers.items()]
    command = [sys.executable, __file__, f"--way={way}", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
