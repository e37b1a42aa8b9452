"""Attacks by single users on learning and judging, and honest users who search very often."""
