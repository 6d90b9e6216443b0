"""Apps and hosts as real programs, in the surroundings where users put them."""
