"""Between nodes: the port, and what stands behind it in one process or over Redis."""
