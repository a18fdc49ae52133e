"""Why an embedded server cannot run, in a sentence for the person at the terminal."""


class EmbeddedError(RuntimeError):
    """An embedded server could not be prepared, started or stopped."""
