"""What Mephisto 1.x has left: read as it is, and taken over."""
