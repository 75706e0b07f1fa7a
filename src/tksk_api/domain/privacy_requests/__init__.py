"""What people ask about their own data (UU 27/2022): to see, correct, restrict or erase it."""
