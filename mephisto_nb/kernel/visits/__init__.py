"""What is asked of a crowd about visits, and what it is told: who comes, and how each visit has ended."""
