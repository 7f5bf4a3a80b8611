"""The names of the files and folders in a study's folder."""

DEFINITION, PLAN, VERDICTS, RUNS = "study.json", "plan.json", "verdicts.json", "runs"
