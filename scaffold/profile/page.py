"""The HTML page of a profile: one file that needs no network."""

from pathlib import Path

from scaffold.profile.drift import Drift
from scaffold.profile.model import ColumnProfile, Profile

_TEMPLATE = Path(__file__).with_name("page.html.jinja")


def render_page(profile: Profile, drift: Drift | None = None) -> str:
    """Render the page.

    Args:
        profile: The profile.
        drift: The comparison with an earlier file, if there is one.

    Returns:
        HTML with its style; texts of the file are escaped.
    """
    # jinja2 takes a tenth of a second, which the other commands need not wait for
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(profile=profile, drift=drift, describe=describe_values, note=describe_note)


def describe_values(column: ColumnProfile) -> str:
    """The range of a column, or its frequent values, on one line.

    Args:
        column: The column.
    """
    if column.is_personal and column.minimum is None and column.top is None:
        return f"hidden: {column.personal_reason}"
    if column.top and column.type != "integer":
        return ", ".join(f"{top.value} ({top.count:,})" for top in column.top[:5]) + (
            f", and {column.distinct - 5:,} more" if column.distinct > 5 else ""
        )
    return "" if column.minimum is None else f"{column.minimum} to {column.maximum}"


def describe_note(column: ColumnProfile) -> str:
    """What to look at in a column: why it has its type, what does not parse, which time zone.

    Args:
        column: The column.
    """
    notes = [column.type_reason]
    if column.unparsable:
        notes.append(f"{column.unparsable:,} values do not parse")
    if column.placeholders:
        notes.append(f"{column.placeholders:,} placeholders such as NA")
    if column.zone:
        notes.append(
            f"zone {column.zone.kind} {', '.join(column.zone.zones)} ({column.zone.reason})".replace("  ", " ")
        )
    return "; ".join(note for note in notes if note)
