"""Take the README's picture of the report page: the demo's page in Chromium, as WebP.

`make picture` runs it, from the root of the checkout. The demo's clock is pinned, so the picture
changes only with the page.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

NOW = "2026-04-22T16:00:00Z"
PICTURE = Path(__file__).with_name("report-page.webp")
SIZE = {"width": 1100, "height": 985}


def main() -> None:
    """Run the demo and photograph its page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Chromium is not installed. Install it (Debian: apt-get install chromium).")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pipelines", "demo"],
            cwd=folder,
            env={**os.environ, "CLIPMART_NOW": NOW, "CLIPMART_DATA_DIR": "data"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        PICTURE.write_bytes(photograph(Path(folder, "data/demo/report.html"), chromium))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


def photograph(page_file: Path, chromium: str) -> bytes:
    """The top of the page, as WebP."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(page_file.as_uri())
        session = page.context.new_cdp_session(page)
        # Playwright's own screenshots are PNG or JPEG; WebP is half their size.
        answer = session.send("Page.captureScreenshot", {"format": "webp", "quality": 80})
        browser.close()
    return base64.b64decode(answer["data"])


if __name__ == "__main__":
    main()
