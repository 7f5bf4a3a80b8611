"""A cluster of one machine, under the names of SLURM's commands: what submitit asks of it, it does at once."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def start(script: str, job: str, task: str, after: int | None = None) -> None:
    """Run a batch script, as one task of an array if it has one, once a process has ended."""
    told = {"JOB_ID": job, "NTASKS": "1", "JOB_NUM_NODES": "1", "NODEID": "0", "JOB_NODELIST": "here", "PROCID": "0"}
    told |= {"LOCALID": "0"} | ({"ARRAY_JOB_ID": job, "ARRAY_TASK_ID": task} if task else {})
    environ = os.environ | {f"SLURM_{name}": value for name, value in told.items()} | {"FAKE_SCRIPT": script}
    wait = f"while kill -0 {after} 2>/dev/null; do sleep 0.05; done; " if after else ""
    command = ["bash", "-c", f'{wait}exec bash "$FAKE_SCRIPT"']
    with (HERE / f"task-{job}-{task}.log").open("a") as log:
        subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def sbatch(script: str) -> None:
    """Start the tasks of a script, and keep it to be looked at."""
    text = Path(script).read_text()
    job = str(7 + len(list(HERE.glob("submitted-*.sh"))))
    kept = HERE / f"submitted-{job}.sh"
    kept.write_text(text)
    found = re.search(r"#SBATCH --array=0-(\d+)", text)
    for task in map(str, range(int(found[1]) + 1)) if found else [""]:
        start(str(kept), job, task)
    print(f"Submitted batch job {job}")


def srun(*arguments: str) -> None:
    """Become the command."""
    command = list(arguments)
    while command[0].startswith("-"):
        del command[: 1 if command[0] == "--unbuffered" else 2]
    os.execvp(command[0], command)


def scontrol(verb: str, job: str) -> None:
    """Start a task again, once the process that asks has ended."""
    assert verb == "requeue", verb
    (HERE / "requeued").write_text(job)
    start(
        os.environ["FAKE_SCRIPT"], os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_ARRAY_TASK_ID", ""), os.getppid()
    )


def sacct(*arguments: str) -> None:
    """Know nothing of a task but that it runs; its result tells when it does not."""
    print("JobID|State|NodeList")
    for job in (given for flag, given in itertools.pairwise(arguments) if flag == "-j"):
        for task in ("", *(f"_{number}" for number in range(9))):
            print(f"{job}{task}|RUNNING|here")


if __name__ == "__main__":
    {"sbatch": sbatch, "srun": srun, "scontrol": scontrol, "sacct": sacct}[sys.argv[1]](*sys.argv[2:])
