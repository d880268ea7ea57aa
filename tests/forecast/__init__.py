"""Whether forecasts hold what they promise: runs of crowds made by other means, and how many the intervals hold."""
