"""The demo: a month of made-up use over HTTP, in less than a minute.

It runs its own sandbox and sets two clocks together, the sandbox's and the settings', so that
submissions, progress, syncs and reports are real; only the time between them is skipped. It uses no
real key, and writes only into one folder, which it marks as its own.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.ids.credits import balance_event
from pipelines.ledger.ledger import open_ledger
from pipelines.ledger.lock import sync_lock
from pipelines.output import print_rendered, say
from pipelines.program import checkout, command_line, from_here
from pipelines.reports.page import write_page
from pipelines.reports.render import MAIN, render
from pipelines.reports.rows import Selection, read_report
from pipelines.service import CLIPUS, KLIPIT
from pipelines.settings import Account, Settings
from pipelines.submissions.request import Request, clipus_request, klipit_request
from pipelines.submissions.submit import submit
from pipelines.sync.result import SyncResult
from pipelines.sync.run import sync
from pipelines.warehouse.read import open_published
from sandbox import Sandbox, believable, running
from sandbox.accounts import CLIPUS_KEY, KLIPIT_KEY
from sources.shared.errors import ClipmartError, FixConfiguration

SEED = 1
MARKER = ".clipmart-demo"
PAGE = "report.html"
# One of so many syncs polls both services, and one publishes: there is only a minute for a month.
BOTH_EVERY = 2
PUBLISH_EVERY = 6


class DemoFailed(ClipmartError):
    """A sync of the demo failed, or was stopped."""

    def __init__(self, result: SyncResult) -> None:
        why = " ".join(result.problems()) or "It was stopped."
        super().__init__(f"The demo ends here. {why} Run it again: it starts from the beginning.")
        self.exit_code = result.exit_code


def run_demo(settings: Settings) -> None:
    """Run through a month that ends now, print the four main reports and write them as a page.

    Args:
        settings: only the data folder and the clock are used, no key and no address.

    Raises:
        FixConfiguration: the demo's folder can't be written, or has files that no demo created.
        TryAgainLater: another demo is running there.
        DemoFailed: a sync failed.
    """
    end = settings.now().replace(microsecond=0)
    folder = settings.data_dir / "demo"
    with _emptied_folder(folder, end):
        # All requests of the demo stay on this machine: no proxy is involved.
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"
        world = Sandbox(seed=SEED, now=end - timedelta(days=30), minute_seconds=0)
        with running(world):
            say("A month of made-up use, with both APIs served by this machine:")
            demo = _Demo(_demo_settings(folder, world), world)
            demo.run_month(end)
            world.clock.set(settings.pinned_now)
            demo.sync(settings.pinned_now, last=True)
        shown = replace(settings, data_dir=folder, lake=None, ledger_database=None)
        with open_published(shown) as con:
            tables = [read_report(con, name, Selection(links=False)) for name in MAIN]
        write_page(shown, folder / PAGE, Selection(links=False))
        print_rendered("\n" + render(tables, "table"))
    for line in _what_next(folder):
        say(line)


@dataclass
class _Demo:
    """The month's events, each by the command that a person would use."""

    settings: Settings
    world: Sandbox
    episodes: int = 0
    campaigns: int = 0
    syncs: int = 0

    def run_month(self, end: datetime) -> None:
        """Run the month's events, each at its instant."""
        uses = believable.month_of_use(SEED, end, balance=self.world.balance)
        begin = self.world.clock.now()
        events: list[tuple[datetime, Callable[[datetime], None]]] = [(begin, self.record_balance)]
        events += [(use.at, self._action(use)) for use in uses]
        events += [(night, self.record_balance) for night in _nights(begin, end)]
        events += [(at, self.sync) for at in _sync_times(uses) if at < end]
        for at, do in sorted(events, key=lambda event: event[0]):
            self.world.clock.set(at)
            do(at)

    def sync(self, now: datetime | None, *, last: bool = False) -> None:
        """`clipmart sync`, or only for Clipus, at an instant or by the machine's clock."""
        self.syncs += 1
        at = replace(self.settings, pinned_now=now)
        both = last or self.syncs % BOTH_EVERY == 0
        result = sync(
            at,
            None if both else CLIPUS.name,
            publish_now=last or self.syncs % PUBLISH_EVERY == 0,
        )
        if result.exit_code:
            raise DemoFailed(result)
        landed = sum((service.loaded for service in result.services.values()), Counter[str]())
        clips = f"{_counted(landed['clips'], 'clip')}, " if both else ""
        say(
            f"  {at.now():%a %d %b %H:%M}  {_counted(self.episodes, 'episode') + ',':<12} "
            f"{_counted(self.campaigns, 'campaign') + ';':<13} synced {clips:<10}"
            f"{_counted(landed['videos'], 'video')}"
        )
        if result.published:
            say(" " * 20 + "published")

    def record_balance(self, now: datetime) -> None:
        """Record what the API reports, so that each day has its use without a daily sync."""
        with closing(open_ledger(self.settings)) as ledger:
            ledger.add([balance_event(self.world.balance, now, now, origin="api")])

    def _action(self, use: believable.Use) -> Callable[[datetime], None]:
        do = {KLIPIT.name: self._episode, CLIPUS.name: self._campaign, "top_up": self._top_up}
        return lambda now: do[use.service](use, now)

    def _episode(self, use: believable.Use, now: datetime) -> None:
        """`clipmart submit klipit`."""
        request = klipit_request(
            source_url=use.body["source_url"],
            show=use.body["show_name"],
            guest=use.body.get("guest_name"),
            description=use.body["description"],
            platforms=use.body["platforms"],
        )
        self.episodes += self._submit(request, now)

    def _campaign(self, use: believable.Use, now: datetime) -> None:
        """`clipmart submit clipus`; one is refused, because the month's videos are used up."""
        request = clipus_request(
            url=use.body["url"], languages=use.body["languages"], title=use.body["title"]
        )
        self.campaigns += self._submit(request, now)

    def _submit(self, request: Request, now: datetime) -> bool:
        """Whether it was accepted."""
        done = submit(replace(self.settings, pinned_now=now), request)
        if done.error is not None and done.state == "unknown":
            raise done.error
        return done.state == "known"

    def _top_up(self, use: believable.Use, now: datetime) -> None:
        """Buy credits; the balances before and after show how many."""
        self.record_balance(now)
        self.world.top_up(use.body["credits"])
        self.record_balance(now + timedelta(seconds=1))


def _demo_settings(folder: Path, world: Sandbox) -> Settings:
    """Settings that take nothing from the environment."""
    return Settings(
        data_dir=folder,
        accounts={
            KLIPIT.name: Account(KLIPIT_KEY, world.klipit_url),
            CLIPUS.name: Account(CLIPUS_KEY, world.clipus_url),
        },
        minute_seconds=0,
    )


def _counted(number: int, what: str) -> str:
    """' 1 episode' or '12 episodes'."""
    return f"{number:2} {what}{'' if number == 1 else 's'}"


def _nights(begin: datetime, end: datetime) -> Iterator[datetime]:
    night = begin.replace(hour=23, minute=59, second=59)
    while night < end:
        yield night
        night += timedelta(days=1)


def _sync_times(uses: list[believable.Use]) -> Iterator[datetime]:
    """Instants some time after a day's last campaign, when its videos become ready.

    Of two such days in a row, the first waits for the second, as people do.
    """
    last = {use.at.date(): use.at for use in uses if use.service == CLIPUS.name}
    waits = False
    for day, at in last.items():
        waits = not waits and day + timedelta(days=1) in last
        if not waits:
            yield at + timedelta(minutes=believable.dice(SEED, "sync", day).randint(8, 90))


@contextmanager
def _emptied_folder(folder: Path, now: datetime) -> Iterator[None]:
    """Remove an earlier demo's files from the demo's folder, and lock other demos out meanwhile.

    Nothing is removed from a folder without the demo's mark, and only files that a demo creates.
    """
    if folder.is_symlink() or (folder.exists() and not _is_demo_folder(folder)):
        raise FixConfiguration(
            f"{folder} was not created by the demo. Nothing was removed or written. Move it away, "
            "or set CLIPMART_DATA_DIR to another folder, then run `clipmart demo` again."
        )
    with sync_lock(folder / MARKER, now):
        for name in ("state", "warehouse.duckdb", "warehouse.duckdb.wal", PAGE):
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        yield


def _is_demo_folder(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MARKER).is_file() or not any(folder.iterdir()))


def _what_next(folder: Path) -> list[str]:
    program = command_line()
    on_demo = f"CLIPMART_DATA_DIR={shlex.quote(from_here(folder))} {program}"
    return [
        "",
        f"To see all of it, open {from_here(folder / PAGE)} in a browser.",
        f"The data is in {from_here(folder)}/warehouse.duckdb. Try next, on the same data:",
        f"  {on_demo} report top-clips",
        f'  {on_demo} query "FROM reports.video_quota"',
        f"  {on_demo} status",
        *_notebook(folder),
        "",
        "Both APIs again, to submit to and sync from (it prints how):",
        f"  {program} sandbox --history",
        "",
        "With your own keys, set as KLIPIT_API_KEY and CLIPUS_API_KEY or written to .env:",
        f"  {program} track klipit JOB_ID",
        f"  {program} sync",
        f"  {program} report",
    ]


def _notebook(folder: Path) -> Iterator[str]:
    """The line that opens the first notebook, or that copies them out of the wheel."""
    root = checkout()
    if root is None:
        yield f"  {command_line()} notebooks notebooks"
        return
    is_default = folder == root / "data" / "demo"
    where = "" if is_default else f"CLIPMART_DATA_DIR={shlex.quote(str(folder))} "
    # From the checkout, so that links to docs/ work.
    lab = f"{command_line('jupyter')} lab --ServerApp.root_dir={shlex.quote(from_here(root))}"
    yield f"  {where}{lab} {shlex.quote(from_here(root / 'notebooks' / '01_start_here.ipynb'))}"
