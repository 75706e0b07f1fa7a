"""Templates for recurring work: an officer's own, or shared by an office."""
