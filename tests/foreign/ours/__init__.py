"""Our own SDK as worker and client, in the same shape as the foreign programs."""
