"""store: SQL and bytes on disk live here and nowhere else."""
