"""Batched mathematics of polynomial attention under LoRA: degrees, data, errors, gradients; torch, numpy and scipy alone."""
