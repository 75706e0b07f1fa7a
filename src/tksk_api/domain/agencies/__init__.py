"""Offices that receive referrals."""
