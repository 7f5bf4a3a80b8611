"""Looking at what ran: runs found, compared and drawn, from their files alone."""
