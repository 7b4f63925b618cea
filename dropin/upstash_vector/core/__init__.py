"""What the calls share."""
