"""Versioned code lists that give every coded field its meaning, with Indonesian and English labels."""
