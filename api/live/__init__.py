"""Live: follows boards and sketches from Kafka, and streams one view a tick to every viewer."""
