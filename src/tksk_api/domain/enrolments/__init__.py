"""What people receive: benefits that run or ran."""
