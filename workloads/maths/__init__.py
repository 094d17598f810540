"""Mathematics and array habits that the workloads of several papers share."""
