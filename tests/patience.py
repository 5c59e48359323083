"""How long a test waits for what must come. A busy machine is slow, and a sound one never waits so long."""

PATIENCE_S = 120.0
