"""The contract between the services: what crosses the broker, and nothing else."""
