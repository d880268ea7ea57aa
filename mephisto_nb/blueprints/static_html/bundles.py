"""Bundles of a researcher's own as pages, of whatever kind of task: what such a page may load and run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from mephisto_nb._typing import JSONObject
from mephisto_nb.blueprints.static_html.args import remark
from mephisto_nb.errors import ConfigError
from mephisto_nb.utils.foreign import read_bytes

_DEVELOPMENT = re.compile(r"\beval\([\"'].{0,200000}?sourceURL=webpack", re.DOTALL)


def needs_eval(bundle: Path) -> bool:
    """Return whether a bundle was built for development, so that it runs text as code."""
    text = read_bytes(bundle, "mephisto.blueprint").decode("utf-8-sig", "replace")
    return _DEVELOPMENT.search(text) is not None


#: How the page names what it reports when its policy stopped something.
POLICY_ERROR = "policy"
_MOST = 200


class PolicyArgs(Protocol):
    """The settings that a page's policy follows."""

    allow_eval: bool | None
    allow_inline_styles: bool
    extra_sources: list[str]


def check_eval(args: PolicyArgs, bundle: Path, key: str) -> None:
    """Say that a bundle was built for development; raise `ConfigError` where it may not run text as code."""
    if args.allow_eval or not needs_eval(bundle):
        return
    built = f"mephisto.blueprint.{key} was built for development: it runs text as code"
    better = "Build it for production (webpack: --mode production), which is smaller and faster"
    if args.allow_eval is not None:
        raise ConfigError(f"{built}, and allow_eval is false. {better}; or leave allow_eval out.")
    remark(f"{built}, which the page's policy allows it for now. {better}.")


def make_policy(args: PolicyArgs, bundle: Path) -> str:
    """Write the policy: nothing from other sites but what is named, and no text run as code unless that is allowed."""
    may_eval = needs_eval(bundle) if args.allow_eval is None else args.allow_eval
    others = "".join(f" {source}" for source in args.extra_sources)
    scripts = f"'self'{others}{' ' + chr(39) + 'unsafe-eval' + chr(39) if may_eval else ''}"
    styles = f"'self'{others}{' ' + chr(39) + 'unsafe-inline' + chr(39) if args.allow_inline_styles else ''}"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src * data: blob:; "
        f"media-src * data: blob:; font-src 'self' data:{others}; connect-src 'self' ws: wss:{others}; "
        f"worker-src 'self' blob:; frame-src 'self'{others}; form-action 'self'; base-uri 'none'"
    )


def explain(report: JSONObject) -> str | None:
    """Say what to set, or to change, for what a page's policy has stopped; None where a report is of something else."""
    if report.get("error_type") != POLICY_ERROR:
        return None
    directive, blocked = str(report.get("directive"))[:_MOST], str(report.get("blocked"))[:_MOST]
    remedy = _remedy(directive, blocked)
    return f"The worker's page was kept from something that it tried ({directive}: {blocked}). {remedy}"


def _remedy(directive: str, blocked: str) -> str:
    if directive == "script-src" and blocked in ("eval", "wasm-eval"):
        return (
            "The bundle runs text as code, as builds for development do. Build it for production, or set "
            "mephisto.blueprint.allow_eval=true."
        )
    if directive == "style-src" and blocked == "inline":
        return "The bundle adds styles of its own. Set mephisto.blueprint.allow_inline_styles=true."
    if blocked == "inline":
        return "A script is written into the page itself. Put it into the bundle."
    return (
        "It belongs to another site. Put it into the bundle or into extra_source_dir, or add its address to "
        "mephisto.blueprint.extra_sources."
    )
