"""The paper's mathematics as plain batched torch: latent laws with exact scores, the score network, its training."""
