"""Clipus campaigns and videos. The API cannot list, so every run starts from known campaign ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import dlt

from ..shared.chunks import REJECTED_RECORDS, Chunk
from ..shared.incremental import incremental_chunks
from ..shared.resources import resources
from .client import ClipusClient
from .settings import BASE_URL
from .tables import CAMPAIGNS, VIDEOS


# Without `section`, dlt would look for the settings under this module's name.
@dlt.source(name="clipus", section="clipus", max_table_nesting=0)
def clipus_source(
    campaign_ids: Iterable[str],
    api_key: str = dlt.secrets.value,
    base_url: str = BASE_URL,
    minute_seconds: float = 60.0,
    refresh: bool = False,
) -> Any:
    """Campaigns and their videos, for any `dlt.pipeline`.

    A later run does not request a campaign that failed, that is finished with every video
    published or failed, or that is finished and 14 days old.

    Args:
        campaign_ids: the campaigns to follow.
        api_key: `sources.clipus.api_key` in secrets.toml, or SOURCES__CLIPUS__API_KEY.
        minute_seconds: length of the API's rate minute; 0 sends unpaced. The limit is learned
            from the answers; until then, one request is sent at a time.
        refresh: request every campaign, settled or not.

    Resources: `campaigns` (key campaign_id), `videos` (key campaign_id, id; a read replaces its
    campaign's videos), `rejected_records` (key record_id). All merge.

    Raises:
        FixConfiguration: the key is refused, its plan has no API access, or it sees none of the
            campaigns.
        RequestFailed, TryAgainLater: the API does not answer; nothing of the run lands.
    """

    def reads() -> Iterator[Chunk]:
        return incremental_chunks(
            ClipusClient,
            campaign_ids,
            base_url=base_url,
            api_key=api_key,
            minute_seconds=minute_seconds,
            refresh=refresh,
        )

    return resources(reads, CAMPAIGNS, VIDEOS, REJECTED_RECORDS)
