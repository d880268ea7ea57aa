"""What a researcher does to people, and asks about them."""
