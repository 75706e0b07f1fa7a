"""Administrative regions of Indonesia by Kemendagri code, from province to village."""
