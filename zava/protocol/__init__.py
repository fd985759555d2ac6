"""The MCP surface: transport, server and tools; the only package that knows the SDK."""
