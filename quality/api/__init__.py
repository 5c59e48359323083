"""The HTTP API of quality: the same services as everything else."""
