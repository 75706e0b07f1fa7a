"""Referrals and what became of them."""
