"""What visits, letters and referrals say that an officer did."""
