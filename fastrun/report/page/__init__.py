"""A page in one HTML file about a run, a sweep or a study. Needs the extra ``report``."""
