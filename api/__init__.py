"""The window: serves what the judge knows to browsers, Prometheus and other programs."""
