"""What a visit found to be otherwise than the register says, until somebody decides about it."""
