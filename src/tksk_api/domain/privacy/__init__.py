"""Rights of the people in the register (UU 27/2022): access, restriction, erasure, retention."""
