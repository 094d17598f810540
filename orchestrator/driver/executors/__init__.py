"""Where packs are measured: Ray Tune, or this process."""
