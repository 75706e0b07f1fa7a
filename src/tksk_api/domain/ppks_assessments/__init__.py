"""Which of the 26 PPKS categories a person, a family, a group or a community was found to be in, and until when."""
