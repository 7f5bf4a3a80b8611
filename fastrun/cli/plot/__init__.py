"""Pictures and tables of what there is and what was run; needs the extra ``report``."""
