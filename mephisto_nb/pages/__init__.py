"""The page of one unit: before a launch, and as it was when it was answered."""
