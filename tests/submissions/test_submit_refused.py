"""A submission that is refused: certain, recorded as failed, in words a person can act on."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from sandbox import Fault, Sandbox, running
from sandbox.accounts import KLIPIT_SCOPES
from tests.support.clipmart import Clipmart
from tests.support.ledger_view import everything_on_disk, only, submissions

KLIPIT = ("klipit", "--source-url", "https://good.example/1")
CLIPUS = ("clipus", "--url", "https://good.example/")
Spoil = Callable[[Sandbox, Clipmart], None]


def no_key(sandbox: Sandbox, clipmart: Clipmart) -> None:
    clipmart.environ |= {"KLIPIT_API_KEY": "klipit_sk_wrong", "CLIPUS_API_KEY": "sk_live_wrong"}


def no_scope(sandbox: Sandbox, clipmart: Clipmart) -> None:
    scopes = [scope for scope in KLIPIT_SCOPES if scope != "jobs:create"]
    sandbox.add_klipit_key("klipit_sk_reader", scopes=scopes)
    clipmart.environ["KLIPIT_API_KEY"] = "klipit_sk_reader"


def small_plan(sandbox: Sandbox, clipmart: Clipmart) -> None:
    sandbox.add_clipus_key("sk_live_small", plan="starter")
    clipmart.environ["CLIPUS_API_KEY"] = "sk_live_small"


def no_credits(sandbox: Sandbox, clipmart: Clipmart) -> None:
    sandbox.balance = 0.0


def used_up(sandbox: Sandbox, clipmart: Clipmart) -> None:
    sandbox.videos_used["sandbox", "2026-04"] = 60


def nothing(sandbox: Sandbox, clipmart: Clipmart) -> None:
    pass


def wrong_address(sandbox: Sandbox, clipmart: Clipmart) -> None:
    clipmart.environ["CLIPUS_BASE_URL"] = sandbox.clipus_url + "/elsewhere"


@pytest.mark.parametrize(
    ("arguments", "spoil", "code", "words"),
    [
        pytest.param(KLIPIT, no_key, 3, ("401", "KLIPIT_API_KEY"), id="401-klipit"),
        pytest.param(CLIPUS, no_key, 3, ("401", "CLIPUS_API_KEY"), id="401-clipus"),
        pytest.param(KLIPIT, no_scope, 3, ("403", "jobs:create"), id="403-scope"),
        pytest.param(CLIPUS, small_plan, 3, ("403", "Growth"), id="403-plan"),
        pytest.param(KLIPIT, no_credits, 1, ("402", "Add credits"), id="402"),
        pytest.param(
            (*CLIPUS, *(f"--language={letter}" for letter in "abcde")),
            *(nothing, 1, ("400", "Your plan allows 4 languages")),
            id="400",
        ),
        pytest.param(
            ("clipus", "--url", "https://blocked.example/"),
            *(nothing, 1, ("422", "without a login")),
            id="422",
        ),
        pytest.param(CLIPUS, wrong_address, 1, ("404", "CLIPUS_BASE_URL"), id="404"),
        pytest.param(
            CLIPUS, used_up, 1, ("429: Monthly limit reached (60/60).", "month"), id="429-quota"
        ),
    ],
)
def test_a_refusal_is_reported_with_its_remedy_and_recorded_as_failed(
    sandbox: Sandbox,
    clipmart: Clipmart,
    arguments: tuple[str, ...],
    spoil: Spoil,
    code: int,
    words: tuple[str, ...],
) -> None:
    """One POST, the exit code of the contract, the vendor's message in `error`, nothing created."""
    spoil(sandbox, clipmart)
    done = clipmart("submit", *arguments)
    assert (done.code, done.out) == (code, "")
    for word in words:
        assert word in done.err
    assert sandbox.asked("POST") == 1
    assert not sandbox.jobs
    assert not sandbox.campaigns
    row = only(clipmart, arguments[0])
    assert (row["state"], row.get("job_id"), row.get("campaign_id")) == ("failed", None, None)
    assert words[0] in row["error"]


FIELD = {"loc": ["body", "source_url"], "msg": "field required", "type": "missing"}
SECOND = {"loc": ["body", "platforms", 0], "msg": "not a platform"}


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ([FIELD], "422: body.source_url: field required"),
        ([FIELD, SECOND], "body.source_url: field required; body.platforms.0: not a platform"),
        ([{"msg": "field required"}], "422: field required)"),
        ("no speech", "422: no speech)"),
        ([None, {"loc": 5, "msg": ["x"]}, "no speech"], "422: no speech)"),
        ([], "(422)"),
    ],
)
def test_fastapis_errors_are_reported_with_their_place(
    sandbox: Sandbox, clipmart: Clipmart, detail: object, words: str
) -> None:
    """FastAPI lists what it refuses under `detail`, each with its message and its place."""
    sandbox.faults.plan([Fault("answer", status=422, body={"detail": detail})])
    done = clipmart("submit", *KLIPIT)
    assert done.code == 1
    assert words in done.err


def test_a_refused_url_can_be_submitted_again(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """What failed is not live, so it needs no --again."""
    no_credits(sandbox, clipmart)
    assert clipmart("submit", *KLIPIT).code == 1
    sandbox.top_up(100)
    assert clipmart("submit", *KLIPIT).code == 0
    assert [row["state"] for row in submissions(clipmart, "klipit")] == ["failed", "known"]


def test_an_upload_that_is_too_large_is_refused(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """413 comes before the whole body was read, and is still understood."""
    sandbox.upload_limit_bytes = 1000
    (clipmart.folder / "big.mp3").write_bytes(b"x" * 3_000_000)
    done = clipmart("submit", "klipit", "--file", "big.mp3")
    assert done.code in (1, 75)  # a server may hang up instead, which leaves it open
    assert only(clipmart, "klipit")["state"] == ("failed" if done.code == 1 else "unknown")


def test_a_rate_limit_is_waited_for_and_sent_again(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """A rate 429 created nothing, so sending again creates one job, not two."""
    sandbox.faults.plan([Fault("too_many_requests", "/jobs", retry_after="0", times=2)])
    assert clipmart("submit", *KLIPIT).code == 0
    assert sandbox.asked("POST", "/jobs") == 3
    assert len(sandbox.jobs) == 1
    assert only(clipmart, "klipit")["state"] == "known"


def test_a_rate_limit_longer_than_patience_ends_at_once(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """75, failed, one POST, and the URL stays free."""
    sandbox.faults.plan([Fault("too_many_requests", retry_after="1000")])
    done = clipmart("submit", *KLIPIT)
    assert done.code == 75
    assert "1000 s" in done.err
    assert only(clipmart, "klipit")["state"] == "failed"
    assert clipmart("submit", *KLIPIT).code == 0


def test_submissions_share_the_ten_a_minute(clipmart: Clipmart) -> None:
    """Eleven in one short minute earn no 429: the eleventh waits for its slot."""
    with running(Sandbox(minute_seconds=2, balance=10_000.0)) as sandbox:
        clipmart.environ |= {
            "KLIPIT_BASE_URL": sandbox.klipit_url,
            "CLIPMART_MINUTE_SECONDS": "2",
        }
        for number in range(11):
            url = f"https://good.example/{number}"
            assert clipmart("submit", "klipit", "--source-url", url).code == 0
        assert sandbox.asked(status=201) == sandbox.asked() == 11


def test_what_never_left_is_failed_and_safe_to_send_again(
    sandbox: Sandbox, clipmart: Clipmart
) -> None:
    """No connection: certain, 75, and the URL stays free."""
    address = clipmart.environ["KLIPIT_BASE_URL"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        clipmart.environ["KLIPIT_BASE_URL"] = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = clipmart("submit", *KLIPIT)
    assert done.code == 75
    assert "certainly not accepted" in done.err
    assert only(clipmart, "klipit")["state"] == "failed"
    clipmart.environ["KLIPIT_BASE_URL"] = address
    assert clipmart("submit", *KLIPIT).code == 0


def test_a_redirect_is_not_followed(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """307 elsewhere: the key stays here, exit 3, failed."""
    sandbox.faults.plan([Fault("redirect")])
    done = clipmart("submit", *KLIPIT)
    assert done.code == 3
    assert "KLIPIT_BASE_URL" in done.err
    assert "elsewhere.example" not in done.err
    assert only(clipmart, "klipit")["state"] == "failed"


def test_an_answer_that_repeats_our_secrets_does_not_spread_them(
    sandbox: Sandbox, clipmart: Clipmart, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys, tokens and link queries in an error text reach no output, log or file.

    One of the secrets is the beginning of another.
    """
    caplog.set_level("DEBUG")
    clipmart.environ |= {"CLIPUS_WEBHOOK_TOKEN": "canary", "KLIPIT_WEBHOOK_SECRET": "canary-longer"}
    refusal = "no: canary-longer canary sk_live_sandbox https://cdn.example/x?signature=abc\x1b[31m"
    sandbox.faults.plan([Fault("answer", status=400, body={"error": refusal})])
    done = clipmart("submit", *CLIPUS, "--webhook-url", "https://me.example/h")
    assert done.code == 1
    spread = done.out + done.err + caplog.text + everything_on_disk(clipmart).decode("latin-1")
    for secret in ("canary", "longer", "sk_live_sandbox", "signature"):
        assert secret not in spread
    assert "\x1b" not in done.out + done.err
    assert "no: *** *** ***" in done.err
