"""Breaking the glass: reading one person outside one's own area, for three hours, in the open."""
