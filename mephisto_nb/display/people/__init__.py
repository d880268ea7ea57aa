"""Panels of people: qualifications, workers, and who would qualify."""
