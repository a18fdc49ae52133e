"""Links that lead to the same page, written the same way."""

import hashlib
import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

# What is added to a link to learn who followed it, and changes nothing of what it shows.
_TRACKING = frozenset(
    {
        "_bta_c", "_bta_tid", "_ga", "_gl", "_hsenc", "_hsmi", "_ke", "_openstat", "at_campaign",
        "at_medium", "campaign_id", "cmpid", "dclid", "dm_i", "ef_id", "epik", "fb_action_ids",
        "fb_action_types", "fb_ref", "fb_source", "fbclid", "gbraid", "gclid", "gclsrc",
        "guccounter", "hsa_acc", "hsctatracking", "icid", "igshid", "igsh", "li_fat_id", "mc_cid",
        "mc_eid", "mkt_tok", "ml_subscriber", "ml_subscriber_hash", "msclkid", "ncid", "ocid",
        "oly_anon_id", "oly_enc_id", "partner", "rb_clickid", "ref_src", "ref_url", "s_cid",
        "s_kwcid", "scid", "smid", "soc_src", "soc_trk", "spm", "srsltid", "trk_contact", "trk_msg",
        "trk_module", "trk_sid", "ttclid", "twclid", "vero_conv", "vero_id", "wbraid", "wickedid",
        "xtor", "yclid", "ysclid",
    }
)  # fmt: skip
_TRACKING_PREFIXES = ("utm_", "mtm_", "pk_", "piwik_", "hsa_", "cm_mmc")
_INDEX = re.compile(r"/(?:index\.(?:html?|php|aspx?)|amp)$")
_SAFE = "/~!$&'()*+,;=:@-._"


def normalised(url: str) -> str:
    """Give one spelling for links that differ in scheme, host case, tracking and order only."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return url.strip()
    kept = sorted(
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not _is_tracking(name.lower())
    )
    path = _INDEX.sub("/", quote(unquote(parts.path, errors="replace"), safe=_SAFE)).rstrip("/")
    shown = host.removeprefix("www.") + (f":{port}" if port not in {None, 80, 443} else "")
    query = f"?{urlencode(kept)}" if kept else ""
    # A fragment names a part of the page, but for those that are routes themselves.
    route = f"#{parts.fragment}" if parts.fragment.startswith("!") else ""
    return f"//{shown}{path}{query}{route}"


def url_digest(url: str | None) -> bytes | None:
    """Give the digest by which copies of one page are recognised."""
    return hashlib.sha256(normalised(url).encode("utf-8", "replace")).digest() if url else None


def _is_tracking(name: str) -> bool:
    return name in _TRACKING or name.startswith(_TRACKING_PREFIXES)
