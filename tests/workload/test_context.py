"""What a point is given: streams that depend on seed and name alone."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import pytest
import torch

from orchestrator.workload.context import Context, stream_seed


def draws(ctx: Context, stream: str = "data") -> list[float]:
    return [float(x) for x in torch.randn(4, generator=ctx.generator(stream))]


def test_a_stream_draws_the_same_twice() -> None:
    assert draws(Context(3)) == draws(Context(3))


def test_streams_of_other_seeds_differ() -> None:
    assert draws(Context(3)) != draws(Context(4))


def test_streams_of_other_names_differ() -> None:
    assert draws(Context(3), "data") != draws(Context(3), "queries")


def test_a_stream_does_not_depend_on_the_device() -> None:
    assert draws(Context(3, "cuda")) == draws(Context(3, "cpu"))


def test_a_stream_does_not_depend_on_global_randomness() -> None:
    torch.manual_seed(1)
    first = draws(Context(3))
    torch.manual_seed(2)
    assert draws(Context(3)) == first


def test_a_stream_leaves_global_randomness_alone() -> None:
    before = torch.get_rng_state()
    draws(Context(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_and_name_cannot_be_mistaken_for_each_other() -> None:
    assert stream_seed(1, "1/data") != stream_seed(11, "/data")


def test_stream_seeds_fit_into_63_bits() -> None:
    assert all(0 <= stream_seed(seed, "data") < 2**63 for seed in range(1000))


def test_stream_seeds_stay_the_same_in_every_version() -> None:
    # Another number here means that every stored row of a random workload can no longer be measured again.
    assert [stream_seed(0, ""), stream_seed(7, "memories")] == [3232563875948891667, 4371940859731610747]


def test_a_context_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="seed"):
        Context(3).seed = 4  # type: ignore[misc]


def test_a_context_travels_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Context(3, "cuda:0"))) == Context(3, "cuda:0")


def test_a_point_without_a_checkpoint_starts_from_nothing() -> None:
    assert Context(3).load() is None


def test_a_context_is_made_without_torch() -> None:
    code = "import sys, orchestrator.workload.context as c; c.Context(1); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
