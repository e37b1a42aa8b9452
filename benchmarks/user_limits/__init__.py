"""Attacks by single users on what is learned and judged, and honest users who search much."""
