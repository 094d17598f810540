"""Starts a Ray cluster of two nodes, prints its address, and takes the second node away when a line comes in."""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

SMALL = {"num_cpus": 1, "object_store_memory": 200_000_000}

cluster = Cluster(initialize_head=True, head_node_args={**SMALL, "include_dashboard": False})
second = cluster.add_node(**SMALL)
print(cluster.address, flush=True)
if sys.stdin.readline():
    cluster.remove_node(second, allow_graceful=False)
    sys.stdin.readline()
cluster.shutdown()
