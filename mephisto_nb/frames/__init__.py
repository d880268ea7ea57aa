"""DataFrames of what was collected."""
