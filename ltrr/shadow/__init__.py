"""Shadow mode: what a log of static pages shows, and the way to a first canary."""
