"""Are promises kept: of a workload, of stored rows, of this machine?"""
