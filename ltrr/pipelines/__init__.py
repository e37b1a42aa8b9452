"""One function per job, and the runner that commits what it wrote."""
