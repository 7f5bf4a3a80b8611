"""Pages of runs, sweeps and studies: what they say, that they need nothing else, and that any files will do."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fastrun.cli.main import main
from fastrun.errors import StorageError, UsageError
from fastrun.report.page.write import write_page
from fastrun.storage.format import FORMAT
from fastrun.storage.job import JobRecord, sha256_of
from fastrun.sweep.ledger import Ledger

Make = Callable[..., Path]


def needs_nothing_else(page) -> None:
    """Check that a page loads no other file, and that what is drawn and tabulated can be read aloud."""
    html = page.html.replace('href="data:,"', "")
    assert not re.search(r"\b(src|href|action|srcset)\s*=|@import|url\(|https?:|fetch\(|XMLHttp|//[a-z]", html)
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in page.of("svg"))
    assert all(head.get("scope") for head in page.of("th"))
    assert len(page.of("h1")) == 1
    assert ("html", {"lang": "en"}) in page.tags
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_run(folder: Path, make_run: Make, parse) -> None:
    run = make_run(folder / "outputs/mlp_fast/2026-11-28_07-29-54-767f", stopped="val/acc reached 0.8")
    page = parse(write_page(run))
    needs_nothing_else(page)
    for words in (
        "Recipe mlp_fast with target.value=0.8",
        "finished",
        "Ended because: val/acc reached 0.8.",
        "val/acc 0.9 at step 60",
        "val/acc 0.8 reached at step 60; 3.5 s on the wall clock",
        "47,122 samples/s",
        "1,024.0 MiB at its peak, of the GPU",
        "Learning rate",
        "starting up 3 s",
        "auto resident the data fits the device",
        "threads=2 1.25 slower",
        "adamw",
        "torch 2.14.1",
        "fastrun eval",
    ):
        assert words in page.text, words
    assert "Gradient norm" not in page.text
    assert "train/loss from 2.198 to 0.1545, lowest" in " ".join(str(svg["aria-label"]) for svg in page.of("svg"))


def test_the_page_is_written_anew_and_no_other_file_is_touched(folder: Path, make_run: Make, capfd) -> None:
    run = make_run(folder / "outputs/a/2026-11-28_07-29-54-767f")
    assert main(["report", str(run)]) == 0
    assert main(["report", "767f", "--no-eval"]) == 0
    assert str(run.relative_to(folder) / "report.html") in capfd.readouterr().out
    mine = folder / "mine.html"
    mine.write_text("mine")
    assert main(["report", str(run), "--out", "mine.html"]) == 2
    assert "--out FILE" in capfd.readouterr().err
    assert mine.read_text() == "mine"
    (run / "report.html").write_text("mine, too")
    assert main(["report", str(run)]) == 2
    assert (run / "report.html").read_text() == "mine, too"
    assert main(["report", str(run), "--out", "nowhere/page.html"]) == 7
    assert "--out FILE" in capfd.readouterr().err


def test_the_verb_has_help_of_its_own(capfd) -> None:
    with pytest.raises(SystemExit) as left:
        main(["report", "--help"])
    assert left.value.code == 0
    assert "RUN | SWEEP | STUDY" in capfd.readouterr().out


def test_what_is_no_run_is_refused(folder: Path, capfd) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match="no run, sweep or study"):
        write_page(folder / "empty")
    assert main(["report", "nothing"]) == 2
    assert "error: nothing" in capfd.readouterr().err


def test_the_browser_is_opened(folder: Path, make_run: Make, monkeypatch, capfd) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda uri: opened.append(uri) or False)
    run = make_run(folder / "run")
    assert main(["report", str(run), "--open"]) == 0
    assert opened == [(run / "report.html").as_uri()]
    assert "by hand" in capfd.readouterr().out


def test_jinja_may_be_missing(folder: Path, make_run: Make, monkeypatch, capfd) -> None:
    import sys

    from fastrun.report.page import render

    render._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(["report", str(make_run(folder / "run"))]) == 2
    assert "pip install 'fastrun[report]'" in capfd.readouterr().err


def test_everything_from_files_is_escaped_and_secrets_are_hidden(folder: Path, make_run: Make, parse) -> None:
    evil = "</script><script>alert(1)</script>"
    run = make_run(
        folder / "run",
        overrides=[f"name={evil}", "logger.api_key=12345678", "data.url=https://me:hunter22@host/x"],
        stopped=evil,
        heuristics={evil: {"requested": evil, "used": "<i>", "why": evil}},
        versions={"python": "half a character: \ud800"},
        lines=[{"step": 1, "train_seconds": 0.1, evil: 1.0, "train/loss": 1.0}, {"step": 2, evil: 2.0}],
    )
    page = parse(write_page(run))
    assert len(page.of("script")) == 1
    assert "alert(1)" in page.text
    assert "12345678" not in page.html
    assert "hunter22" not in page.html


@pytest.mark.parametrize("status", ["running", "failed", "diverged", "interrupted"])
def test_a_run_that_has_no_summary(folder: Path, make_run: Make, parse, status: str) -> None:
    run = make_run(folder / "run", status=status)
    (run / "run.log").write_text("2026-11-28 07:00:00 error: the loss is not finite at step 60\n")
    page = parse(write_page(run))
    needs_nothing_else(page)
    assert status in page.text
    assert "val/acc 0.9 at step 60" in page.text
    assert ("the loss is not finite" in page.text) == (status != "running")
    assert ("fastrun watch" in page.text) == (status == "running")
    assert ("fastrun find lr" in page.text) == (status == "diverged")
    assert "fastrun resume" not in page.text  # there is nothing to go on from
    (run / "checkpoints").mkdir()
    (run / "checkpoints/step-00000060.json").write_text("{}")
    (run / "checkpoints/step-00000060.ckpt").write_text("")
    assert ("fastrun resume" in parse(write_page(run)).text) == (status != "running")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [{"step": 0}],
        [{"step": 1, "train_seconds": 0.5, "train/loss": 2.0}],
        [{"step": step, "train_seconds": 0.1 * step, "train/loss": None} for step in range(1, 9)],
        [{"step": step, "train_seconds": 0.1 * step, "train/loss": 1e30 if step == 4 else 1.0} for step in range(1, 9)],
        [{"step": 1, "train_seconds": None, "train/loss": "a word", "lr": [1]}],
        [{"step": 5, "train_seconds": 0.1, "val/acc": math.nan, "val/loss": 0.0}],
        [{"step": 5, "train_seconds": 0.1, "val/acc": 1.0, "train/loss": -1.0}],
    ],
    ids=["nothing", "no step", "one point", "never finite", "huge", "no numbers", "NaN", "negative"],
)
def test_any_metrics_will_do(folder: Path, make_run: Make, parse, lines: list[dict[str, object]]) -> None:
    run = make_run(folder / "run", status="running", lines=lines)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "train_se')
    page = parse(write_page(run))
    needs_nothing_else(page)
    assert not re.search(r'd="[^"]*(nan|inf)', page.html)


def test_damaged_files_will_do(folder: Path, make_run: Make, parse) -> None:
    run = make_run(folder / "run")
    for name in ("summary.json", "status.json", "data.json", "config.yaml", "overrides.yaml"):
        (run / name).write_text('{"half": ["wr')
    assert "unknown" in parse(write_page(run)).text


def test_no_peak_of_a_long_run_is_lost_and_the_page_is_small(folder: Path, make_run: Make) -> None:
    lines = [{"step": n, "train_seconds": n / 100, "train/loss": 9.0 if n == 31_415 else 1.0} for n in range(1, 50_001)]
    page = write_page(make_run(folder / "run", lines=lines, status="running"))
    assert page.stat().st_size < 200_000
    assert "highest 9" in page.read_text()


def test_a_sweep(folder: Path, make_sweep: Make, parse) -> None:
    page = parse(write_page(make_sweep(folder / "outputs/x/sweep-1", runs=6)))
    needs_nothing_else(page)
    for words in (
        "7 jobs: 6 finished, 1 failed",
        "Best: val/acc 0.9 with optimizer=sgd optimizer.lr=0.032.",
        "of 7 runs reached the target 0.8",
        "<b>out of luck</b>",
        "Where the good runs lie",
        "fastrun resume",
        "--failed",
        "fastrun train -m +recipe=mlp_fast optimizer=sgd,adamw",
    ):
        assert words in page.text, words
    rows = [attributes for tag, attributes in page.tags if tag == "tr" and "data-run" in attributes]
    assert [row["data-run"] for row in rows] == ["5", "4", "3", "2", "1", "0", "6"]
    assert {"aria-sort": "descending", "scope": "col", "class": "num"} in page.of("th")


def test_of_a_sweep_over_seeds_the_best_mean_counts_not_the_luckiest_seed(folder: Path, make_run: Make, parse) -> None:
    sweep = folder / "outputs/x/sweep-1"
    values = {"sgd": (0.7, 0.95, 0.75), "adamw": (0.85, 0.86, 0.9)}
    jobs = [(name, seed, value) for name, of_seeds in values.items() for seed, value in enumerate(of_seeds)]
    fill_sweep(sweep, make_run, [([f"optimizer={name}", f"seed={seed}"], value) for name, seed, value in jobs])
    page = parse(write_page(sweep))
    needs_nothing_else(page)
    assert "Best mean: val/acc 0.87 over 3 seeds, 0.8043 to 0.9357, with optimizer=adamw." in page.text
    assert "Means over seeds" in page.text
    assert f"fastrun eval {sweep}/4-4 --split test" in page.text  # the seed in the middle


def fill_sweep(sweep: Path, make_run: Make, jobs: list[tuple[list[str], float]]) -> None:
    """Write the folder of a sweep whose jobs have finished, each with what it was given and its best value."""
    ledger = Ledger(sweep)
    ledger.path.mkdir(parents=True)
    (sweep / "sweep.json").write_text(json.dumps({"format": FORMAT, "arguments": [], "jobs": []}))
    for number, (own, final) in enumerate(jobs):
        ledger.write(JobRecord(number, own, own, {}, sha256_of({}), f"{number}-{number}", state="finished"))
        make_run(sweep / f"{number}-{number}", final=final, overrides=own)


def test_the_runs_within_a_study_lead_to_its_page(folder: Path, make_study: Make, make_run: Make, parse) -> None:
    study = make_study(folder / "study")
    fill_sweep(study / "runs", make_run, [(["arm=full", "seed=0", "pace=round 7"], 0.9)])
    page = parse(write_page(study / "runs"))
    needs_nothing_else(page)
    assert "the verdicts are on the page of the study" in page.text
    assert f"fastrun report {study}" in page.text
    for words in ("fastrun train -m", "Best: ", "fastrun eval"):
        assert words not in page.text


def test_a_sweep_of_many_runs_is_small(folder: Path, make_sweep: Make, parse) -> None:
    page = parse(write_page(make_sweep(folder / "sweep", runs=30, steps=300, fails=False)))
    needs_nothing_else(page)
    assert len(page.html) < 500_000
    assert "30 jobs, all finished" in page.text


def test_a_sweep_that_has_not_begun(folder: Path, make_sweep: Make, parse) -> None:
    page = parse(write_page(make_sweep(folder / "sweep", runs=0, fails=False)))
    needs_nothing_else(page)
    assert "No run has been measured" in page.text


def test_a_study_answers_what_helped_how_sure_what_was_fair_and_what_next(
    folder: Path, make_study: Make, parse
) -> None:
    page = parse(write_page(make_study(folder / "outputs/x/study-1")))
    needs_nothing_else(page)
    for words in (
        "Keep norm (without it, training takes 1.90 times as long, 1.70 to 2.20) and augment (alone, it makes training "
        "1.30 times as fast, 1.10 to 1.50; beside the others it is undecided).",
        "Drop ema (no material difference) and clip (with it, training takes 1.10 times as long).",
        "Undecided: rank (a new study would decide it with even odds with 15 blocks, in about 80 % of cases with 30) "
        "and init (these blocks do not tell how many more it needs).",
        "What helped x reach val/acc 0.95",
        "How to read this. Full is the recipe as it was typed, x; “full - norm” is full without a heuristic. Plain is",
        "A block is one seed: every arm is trained with it, and arms are compared within it. Pilot runs came first",
        "A/A is full beside itself on other seeds",
        "With 9 blocks the smallest possible p is 0.0039, or 0.031 adjusted for 8 comparisons, which can show a",
        "95 % confidence for all 8 claims together",
        "Holm",
        "none that is scored is longer than 300 steps. Runs that are only timed have 500.",
        "A/A check: The recipe against itself came out as 1.01 (0.97 to 1.06): not told apart, for",
        "val/acc 0.95 on validation data: the median of 3 pilot runs.",
        "Dropped in, not retuned.",
        "share each of 9 seeds",
        "2.60 or more",
        "worse with it",
        "fastrun train +recipe=mlp_fast target.value=0.95 ema=none clip=none",
        "'study.factors=[norm,clip,ema,augment,init]' study.plain=false study.blocks=30",
        "'study.factors=[norm,clip,ema,augment,init]' study.plain=false study.tune=5",
        "the loss is not finite",
        "full - clip +recipe=mlp_fast clip=none",
        "cpu a CPU, cores 2",
    ):
        assert words in page.text, words
    assert page.text.count("worse with it") == 1  # of clip, whose interval leaves out 0


def test_a_study_says_what_it_is_about_and_what_it_cannot_show(
    folder: Path, make_study: Make, make_verdict, parse
) -> None:
    few = [make_verdict(name, "without", "undecided", 1.9, 1.0, 2.2, blocks=5) for name in ("norm", "clip")]
    target = {"metric": "val/loss", "value": 0.25, "source": "given", "text": "given", "noise": "val/loss varies by 1"}
    study = make_study(folder / "outputs/mlp/study-1", few, target=target)
    page = parse(write_page(study))
    words = (
        "With 5 blocks the smallest possible p is 0.062, or 0.12 adjusted for 2 comparisons, which shows no difference"
    )
    assert words in page.text
    assert "What helped mlp reach val/loss 0.25" in page.text
    assert "val/loss 0.25 on validation data: given on the command line." in page.text
    assert "A/A is" not in page.text
    assert page.text.index("The target is noisy. val/loss varies by 1.") < page.text.index("How to read this")
    (study / "verdicts.json").unlink()
    assert "What helps mlp reach val/loss 0.25" in parse(write_page(study)).text
    (study / "plan.json").unlink()
    assert "What helps mlp" in parse(write_page(study)).text


def test_a_study_shows_what_was_screened_out_and_which_pairs_were_explored_apart_from_its_verdicts(
    folder: Path, make_study: Make, make_verdict, parse
) -> None:
    effects = {name: {"ratio": ratio, "steps": ratio, "seconds": 1.0} for name, ratio in (("rank", 1.03), ("ema", 0.9))}
    screening = {"kept": ["norm"], "screened_out": ["rank", "ema"], "effects": effects, "runs": [{}] * 32}
    out = {"factor": "ema", "kind": "screened", "arm": "full - ema", "baseline": "full", "verdict": "screened out"}
    pair = {"factor": "norm and init", "kind": "pair", "arm": "full - norm - init", "baseline": "full"}
    pair |= {"verdict": "shared", "interaction": 1.6, "interaction_low": 1.2, "interaction_high": 2.1, "blocks": 9}
    norm = make_verdict("norm", "without", "faster", 1.9, 1.7, 2.2)
    page = parse(write_page(make_study(folder / "study", [norm, out, pair], screening=screening)))
    needs_nothing_else(page)
    assert "95 % confidence for the one claim" in page.text
    assert "32 short runs, each without about half of all factors" in page.text
    assert "ema 0.90 0.90 1.00 rank 1.03 1.03 1.00" in page.text
    assert (
        "norm and init: shared, each does part of the other's work; without both, training takes 1.60 (1.20 to 2.10)"
        in (page.text)
    )


def test_what_is_said_of_the_machine_was_measured(folder: Path, make_study: Make, make_verdict, parse) -> None:
    study = make_study(folder / "study")
    page = parse(write_page(study))
    assert "in turns; compiling, starting up, validating and saving are not counted. The seconds" in page.text
    (study / "verdicts.json").write_text(json.dumps([make_verdict("norm", "without", "faster", 1.9, 1.7, 2.2)]))
    assert "Whether other work ran beside them was not measured." in parse(write_page(study)).text
    (study / "timing.json").write_text(json.dumps({"cpu_share": 0.99, "worst_round": 0.97}))
    page = parse(write_page(study))
    assert "they got 99 % of the CPU time that they asked for (97 % in the worst round)" in page.text
    assert "Seconds are uncertain" not in page.text
    (study / "timing.json").write_text(json.dumps({"cpu_share": 0.65, "worst_round": 0.4}))
    page = parse(write_page(study))
    assert page.text.index("Seconds are uncertain. The machine was busy") < page.text.index("How to read this")


def test_the_check_asks_for_no_blocks_and_older_words_are_read(
    folder: Path, make_study: Make, make_verdict, parse
) -> None:
    same = make_verdict("", "same", "undecided", 1.18, 0.91, 1.53, more_blocks=4, seconds_ratio=1.1)
    norm = make_verdict("norm", "without", "undecided", 1.28, 0.76, 1.76)
    page = parse(write_page(make_study(folder / "study", [same, norm])))
    assert "not told apart 1.18 (0.91 to 1.53)" in page.text
    assert "4 more" not in page.text
    assert "The seconds a step of the recipe differ from its own by 10 %: so may others." in page.text
    assert "for the one claim" in page.text
    assert page.text.index("fastrun ablate") < page.text.index("Train with the recipe as it is")


def test_a_study_whose_check_fails_says_so_first(folder: Path, make_study: Make, make_verdict, parse) -> None:
    same = make_verdict("", "same", "slower", 0.8, 0.7, 0.9)
    page = parse(write_page(make_study(folder / "study", [same])))
    assert page.text.index("Do not trust this study") < page.text.index("How sure")
    assert "Measure again with nothing else running" in page.text
    assert "Train with" not in page.text


def test_a_study_without_verdicts_says_how_to_go_on(folder: Path, make_study: Make, parse) -> None:
    study = make_study(folder / "study", None)
    page = parse(write_page(study))
    needs_nothing_else(page)
    assert "0 of 9 blocks have runs that ended, 0 runs so far, and steps were timed for 0." in page.text
    assert f"Go on with it fastrun resume {study}" in page.text
    (study / "plan.json").unlink()
    assert "no verdicts yet: 0 pilot runs ended so far" in parse(write_page(study)).text


def test_a_study_on_its_way_shows_what_has_reached_the_target(folder: Path, make_study: Make, parse) -> None:
    study = make_study(folder / "study", None, again_seeds=list(range(7000, 7009)))
    ledger = Ledger(study / "runs")
    ledger.path.mkdir(parents=True)
    (study / "runs/sweep.json").write_text(json.dumps({"format": FORMAT, "kind": "study", "jobs": []}))
    runs = [("full", 10000, 100, 0.96), ("full", 0, 141, 0.96), ("full", 0, 100, 0.951), ("full", 0, 71, 0.94)]
    runs += [("full - norm", 0, 100, 0.91), ("full - norm", 1, 100, None), ("full again", 7000, 100, 0.96)]
    labels = [[f"arm={arm}", f"seed={seed}", f"steps={steps}"] for arm, seed, steps, _ in runs]
    labels.append(["arm=full", "seed=0", "steps=500", "pace=round 1 on abc"])
    for number, own in enumerate(labels):
        record = JobRecord(number, own, [], {}, sha256_of({}), f"{number}-{number}", state="finished")
        record.best = {"metric": "val/acc", "value": runs[number][3]} if number < len(runs) else None
        ledger.write(record)
    page = parse(write_page(study))
    needs_nothing_else(page)
    assert "2 of 9 blocks have runs that ended, 6 runs so far, and steps were timed for 1." in page.text
    assert "arm seed 0 seed 1 full 100 – full - norm more than 100 more than 100 full again 100 –" in page.text


def test_a_refused_study_says_why_and_to_start_another(folder: Path, make_study: Make, parse) -> None:
    study = make_study(folder / "study", None)
    (study / "plan.json").unlink()
    refused = {"error": "val/acc 0.5 is reached at once", "hint": "choose a harder target.value", "time": 1.0}
    (study / "refused.json").write_text(json.dumps(refused))
    page = parse(write_page(study))
    needs_nothing_else(page)
    assert "It was refused. val/acc 0.5 is reached at once. choose a harder target.value" in page.text
    assert "Start another, changed as said above fastrun ablate" in page.text
    assert "fastrun resume" not in page.text


def test_damaged_verdicts_are_an_error_in_a_line(folder: Path, make_study: Make) -> None:
    study = make_study(folder / "study")
    (study / "verdicts.json").write_text(json.dumps([{"factor": "norm"}]))
    with pytest.raises(StorageError, match=r"verdicts\.json"):
        write_page(study)
