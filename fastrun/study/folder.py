"""The names of the files and folders in a study's folder."""

DEFINITION, PLAN, VERDICTS, RUNS = "study.json", "plan.json", "verdicts.json", "runs"
RACE = "race.json"  # in place of study.json in the folder of a race
