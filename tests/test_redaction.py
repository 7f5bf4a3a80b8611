"""Secrets: used by the run, shown nowhere."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from fastrun import redaction
from fastrun.cli.main import main
from fastrun.components.logger.hyperparameters import hyperparameters
from fastrun.redaction import MARK, is_secret, redact, redact_message, redact_override

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=100", "model=mlp", "model.hidden=[4]", "steps=2"]
LITERAL, VARIABLE, LOGIN, SHORT, NESTED = "li7eral-s3cret", "env1ronment-s3cret", "l0gin-s3cret", "pw1", "n3sted-s3cret"
SPY = """
import json
from pathlib import Path
from pytorch_lightning import Callback

class Spy(Callback):
    def __init__(self, **given):
        Path("given.json").write_text(json.dumps(given))
"""
SECRETS = [
    "+callbacks.spy._target_=spying.Spy", f"+callbacks.spy.api_key={LITERAL}", f"+callbacks.spy.password={SHORT}",
    "+callbacks.spy.hub_token=${oc.env:SPY_TOKEN}", f"+callbacks.spy.url=https://me:{LOGIN}@host/x",
    "+callbacks.spy.other='http://you:${oc.env:SPY_TOKEN}@host'", "+callbacks.spy.num_tokens=12",
    f"+callbacks.spy.auth={{user: [{NESTED}]}}", "+callbacks.spy.note=${oc.env:SPY_TOKEN}",
]  # fmt: skip


@pytest.fixture
def spied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with a callback that notes what it was given, and a secret in the environment."""
    (folder / "spying.py").write_text(SPY)
    monkeypatch.setenv("SPY_TOKEN", VARIABLE)
    return folder


def nowhere(folder: Path) -> None:
    """Check that no file and no folder below outputs shows a secret."""
    found = list((folder / "outputs").rglob("*"))
    assert len(found) > 5
    for path in found:
        content = str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        for secret in (LITERAL, VARIABLE, LOGIN, NESTED):
            assert secret.encode() not in content, (path, secret)
        assert f"password: {SHORT}".encode() not in content
        assert f"password={SHORT}".encode() not in content


def test_a_secret_is_used_and_stands_in_no_file(spied: Path, capfd) -> None:
    arguments = ["train", *TINY, *SECRETS, "hydra.output_subdir=hydra", "logger=tensorboard"]
    assert main(arguments) == 0
    given = json.loads((spied / "given.json").read_text())
    assert given == {
        "api_key": LITERAL, "password": SHORT, "hub_token": VARIABLE, "url": f"https://me:{LOGIN}@host/x",
        "other": f"http://you:{VARIABLE}@host", "num_tokens": 12, "auth": {"user": [NESTED]}, "note": VARIABLE,
    }  # fmt: skip
    nowhere(spied)
    (run,) = spied.glob("outputs/*/*")
    assert (run / "hydra/hydra.yaml").is_file()
    kept = yaml.safe_load((run / "config.yaml").read_text())["callbacks"]["spy"]
    assert kept == {
        "_target_": "spying.Spy", "api_key": MARK, "password": MARK, "hub_token": "${oc.env:SPY_TOKEN}",
        "url": f"https://me:{MARK}@host/x", "other": "http://you:${oc.env:SPY_TOKEN}@host", "num_tokens": 12,
        "auth": {"user": [MARK]}, "note": "${oc.env:SPY_TOKEN}",
    }  # fmt: skip
    (spied / "given.json").unlink()
    resume = ["resume", str(run), "steps=4"]
    for key in ("api_key", "password", "url", "auth"):
        assert main(resume) == 2
        err = capfd.readouterr().err
        assert f"error: callbacks.spy.{key}" in err
        assert f"give it again: callbacks.spy.{key}" in err
        value = {"api_key": LITERAL, "password": SHORT, "url": f"https://me:{LOGIN}@host/x", "auth": NESTED}[key]
        resume.append(
            f"callbacks.spy.{key}{'.user' if key == 'auth' else ''}={f'[{value}]' if key == 'auth' else value}"
        )
    assert main(resume) == 0, capfd.readouterr().err
    assert json.loads((spied / "given.json").read_text()) == given
    nowhere(spied)
    assert main(["eval", str(run)]) == 0  # which needs neither callbacks nor logger


@pytest.mark.slow
def test_a_sweep_names_no_folder_and_no_file_by_a_secret(spied: Path, capfd) -> None:
    main(["train", *TINY, *SECRETS, "-m", "seed=1,2"])
    assert len(list(spied.glob("outputs/train/sweep-*/*/summary.json"))) == 2
    nowhere(spied)


@pytest.mark.sampled
@pytest.mark.parametrize("flags", [["--cfg", "job"], ["--cfg", "job", "--resolve"], ["--cfg", "all"], ["--help-all"]])
def test_a_config_that_is_shown_has_no_secret(spied: Path, capfd, flags: list[str]) -> None:
    with suppress(SystemExit):  # how Hydra ends its help
        assert main(["train", *TINY, *SECRETS, *flags]) == 0
    out, err = capfd.readouterr()
    assert "num_tokens: 12" in out
    for secret in (LITERAL, VARIABLE, LOGIN, NESTED, f"password: {SHORT}", f"password={SHORT}"):
        assert secret not in out + err


@pytest.mark.slow
def test_a_process_shows_no_secret_in_its_errors_and_hands_trackers_none(new_process, folder: Path) -> None:
    own = "import sys\ndef net(in_shape, num_classes, api_key):\n    print(sys.argv)\n"
    (folder / "own.py").write_text(own + "    raise ValueError(f'no {api_key}')\n")
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/own.yaml").write_text("# Mine\n_target_: own.net\napi_key: none\n")
    done = new_process("--debug", "train", *TINY[:3], "model=own", f"model.api_key={LITERAL}", "seed=7")
    assert done.returncode == 2
    assert f"'model.api_key={MARK}', 'seed=7'" in done.stdout
    assert LITERAL not in done.stdout
    assert f"error: the model cannot be built: no {MARK}" in done.stderr
    assert LITERAL not in "".join(path.read_text() for path in folder.glob("outputs/*/*/*.*"))
    for wrong in (
        [f"model.api_key={LITERAL}", "epochs=x"],
        [f"model.apikey={LITERAL}"],
        [f"model.api_key={LITERAL} b"],
    ):
        done = new_process("train", "model=own", *wrong)
        assert done.returncode == 2
        assert LITERAL not in done.stdout + done.stderr


def test_the_other_processes_of_a_run_are_handed_what_its_directory_lacks(folder: Path, monkeypatch) -> None:
    from fastrun.compose import compose, from_config
    from fastrun.storage.run_dir import RunDir

    said_so = ["+callbacks.spy={_target_: torch.nn.Identity, api_key: li7eral-s3cret}"]
    run = RunDir.create(folder / "run", compose([*TINY, *said_so]), said_so)
    for name, value in redaction.secrets_for_child().items():
        monkeypatch.setenv(name, value)
    assert from_config(run.config(), []).callbacks["spy"]["api_key"] == LITERAL
    told, before = redaction.known_secrets(), redaction.secrets_for_child()
    compose(TINY)
    assert redaction.secrets_for_child() == {}
    redaction.remember(told)
    assert redaction.secrets_for_child() == before


def test_a_tracker_is_told_no_secret(folder: Path) -> None:
    from fastrun.compose import compose

    told = hyperparameters(compose([*TINY, "+data.token=abcdefgh1", f"+data.url=ftp://me:{LOGIN}@x", "+data.tokens=3"]))
    assert "data.token" not in told
    assert told["data.url"] == f"ftp://me:{MARK}@x"
    assert told["data.tokens"] == 3


SECRET_KEYS = (
    "token hub_token password api_key apikey APIKey apiKey WANDB_API_KEY WANDB_API_KEY_2 secret_access_key auth "
    "http_auth credential credentials a.b.token client-secret MYSQL_PWD clientSecret"
)
OTHER_KEYS = (
    "tokens num_tokens max_tokens num_token pad_token class_token author key keys tokenizer PWD secretary passes "
    "monkey_key _target_ size authors password_file token_dim vocabulary"
)


def test_a_key_is_told_to_be_secret_by_its_whole_words() -> None:
    assert [key for key in SECRET_KEYS.split() if not is_secret(key)] == []
    assert [key for key in OTHER_KEYS.split() if is_secret(key)] == []


@pytest.mark.parametrize(
    ("override", "shows"),
    [
        ("logger.api_key=abc,d e", f"logger.api_key={MARK}"),
        ("'logger.api_key=\"abc d\"'", f"logger.api_key={MARK}"),
        ("+a={b: {api_key: x1, n: 2}, token: y}", f"+a={{b: {{api_key: {MARK}, n: 2}}, token: {MARK}}}"),
        ("a.api_key=${oc.env:X}", "a.api_key=${oc.env:X}"),
        ("a.api_key=${oc.env:X,abc}", f"a.api_key={MARK}"),
        ("a.api_key=${b.token}", "a.api_key=${b.token}"),
        ("data.url=https://me:p@w@h/x?token=abc&z=1", f"data.url=https://me:{MARK}@h/x?token={MARK}&z=1"),
        ("data.url=https\\://me\\:pw@h", f"data.url=https\\://me\\:{MARK}@h"),
        ("data.url=https://ghp_0123456789abcdef@h/x", f"data.url=https://{MARK}@h/x"),
        ("data.url=git+https://ghp_0123456789abcdef@h/x", f"data.url=git+https://{MARK}@h/x"),
        ("data.url=https://${oc.env:TOKEN}@h/x", "data.url=https://${oc.env:TOKEN}@h/x"),
        ("data.url=https://h/x?se=2&sig=a%2Bb&z=1", f"data.url=https://h/x?se=2&sig={MARK}&z=1"),
        ("data.url=https://h/x?X-Amz-Signature=abc", f"data.url=https://h/x?X-Amz-Signature={MARK}"),
        ("data.url=abfss://container@account.host/x", "data.url=abfss://container@account.host/x"),
        ("+a.headers=['Authorization: Bearer abc.def']", f"+a.headers=['Authorization: Bearer {MARK}']"),
        ("+a.headers=[Accept: b, Authorization: Basic abc=]", f"+a.headers=[Accept: b, Authorization: Basic {MARK}]"),
        ("+a.note='Bearer abcdefgh.ijk'", f"+a.note='Bearer {MARK}'"),
        ("data.url=https://me@h:80/x", "data.url=https://me@h:80/x"),
        ("model.hidden=[64,64]", "model.hidden=[64,64]"),
        ("data.tokens=300", "data.tokens=300"),
    ],
)
def test_an_override_is_shown_without_its_secret(override: str, shows: str) -> None:
    assert redact_override(override) == shows


@pytest.mark.parametrize(
    ("text", "shows"),
    [
        ("Authorization: Bearer abc def", f"Authorization: Bearer {MARK}"),
        ("authorization: Token 123", f"authorization: Token {MARK}"),
        ("X-Api-Key: abc", f"X-Api-Key: {MARK}"),
        ("Authorization: Bearer ${oc.env:TOKEN}", "Authorization: Bearer ${oc.env:TOKEN}"),
        ("Accept: text/html", "Accept: text/html"),
        ("the bearer of news", "the bearer of news"),
    ],
)
def test_a_header_in_a_list_is_kept_without_its_secret(text: str, shows: str) -> None:
    once = redact({"headers": [text]})
    assert once == {"headers": [shows]}
    assert redact(once) == once


def test_a_token_in_a_header_or_address_is_in_no_file_and_no_traceback(folder: Path, capfd) -> None:
    own = "import pytorch_lightning as pl\nclass Own(pl.Callback):\n    def __init__(self, headers, url):\n"
    own += "        self.given = headers, url\n    def on_train_start(self, *_):\n"
    own += "        raise ValueError(f'refused {self.given[0][0][-13:]} and {self.given[1][8:21]} {self.given}')\n"
    (folder / "own.py").write_text(own)
    callback = f"headers: ['Authorization: Bearer {LITERAL}'], url: 'https://{LOGIN[:12]}x@host/?sig={NESTED}'"
    assert main(["train", *TINY, f"+callbacks.own={{_target_: own.Own, {callback}}}", "--debug"]) == 1
    out, err = capfd.readouterr()
    assert "Traceback" in err
    for secret in (LITERAL, LOGIN[:12], NESTED):
        assert secret not in out + err, secret
        assert not [path for path in folder.glob("outputs/**/*.*") if path.is_file() and secret in path.read_text()]


def test_what_is_no_secret_stays_as_it_is() -> None:
    plain = {"auth": False, "token": None, "password": "", "model": {"tokens": 8, "hidden": [1, 2.5], "name": "a: b=c"}}
    assert redact(plain) == plain
    assert (
        redact_message("the model returns [2, 3] for 2 samples; key=value")
        == "the model returns [2, 3] for 2 samples; key=value"
    )


def test_a_line_of_the_log_is_clean_its_traceback_too() -> None:
    redaction.learn_overrides([f"a.password={LITERAL}"])
    try:
        raise ValueError(LITERAL)
    except ValueError as error:
        record = logging.LogRecord("x", 10, "f", 1, "%s", (LITERAL,), (ValueError, error, error.__traceback__))
    assert redaction.redact_record(record)
    assert LITERAL not in logging.Formatter().format(record).replace(f"raise ValueError({LITERAL})", "")
    assert MARK in record.getMessage()
