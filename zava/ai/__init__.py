"""What turns texts into vectors: a service of OpenAI's protocol, or a local model."""
