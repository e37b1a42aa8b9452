"""The one place that touches the engine and its storage."""
