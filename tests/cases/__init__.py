"""The referee's cases: worked figures of other systems, run through the engine."""
