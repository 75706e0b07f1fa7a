"""Tables that leave the house: what the lists show, page by page into a file for whoever asked."""
