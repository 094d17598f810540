"""Starts a Ray cluster, prints its address, and takes away a node for the first line that comes in.

Without an argument: a head and a second node with one CPU each. `nodes.py 2`: a head without CPUs and two nodes with one
each. A line that is a node's id names the node; any other means the first one beside the head.
"""

from __future__ import annotations

import sys

from ray.cluster_utils import Cluster

MEMORY = 200_000_000
count = int(sys.argv[1]) if len(sys.argv) > 1 else 1

head = {"num_cpus": 1 if count == 1 else 0, "object_store_memory": MEMORY, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
nodes = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(count)]
print(cluster.address, flush=True)
if line := sys.stdin.readline():
    cluster.remove_node(next((n for n in nodes if n.node_id == line.strip()), nodes[0]), allow_graceful=False)
    sys.stdin.readline()
cluster.shutdown()
