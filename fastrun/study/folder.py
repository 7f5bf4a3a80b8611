"""The names of the files and folders in a study's folder."""

DEFINITION, PLAN, VERDICTS, RUNS = "study.json", "plan.json", "verdicts.json", "runs"
REFUSED = "refused.json"  # why nothing could be made of it; absent as long as it can go on
PAIRS = "pairs.json"  # the pairs of factors that are explored, and their arms
OUTCOME = "outcome.json"  # of a race: the winner of the search, which may be the given run
RACE = "race.json"  # in place of study.json in the folder of a race
