"""Films and sounds that people bring: looked at, planned, encoded, in a process of their own."""
