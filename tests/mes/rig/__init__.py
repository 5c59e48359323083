"""A package of the house made for the tests of the event log: it runs in real relays and workers, as any other does."""
