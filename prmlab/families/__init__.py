"""Problem families, one module each: how its problems are made, solved and checked."""
