"""The parts of scripts/test and scripts/demo that are easier to read in Python than in a shell."""
