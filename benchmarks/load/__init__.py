"""Load on servers: who makes it, who takes it."""
