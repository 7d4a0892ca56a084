"""Which columns are treated as personal: by the registry, by their name, or by what their values look like."""

import re
from collections.abc import Sequence

from data_stack.registry import SOURCES

_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PERSONAL_TOKENS = frozenset(
    "email mail phone telephone tel mobile fax address street birth birthday birthdate dob ssn iban bic account card"
    " contact pan note notes comment comments memo remark remarks message payee payer beneficiary ip ipv4 ipv6 passport"
    " licence license surname firstname lastname fullname username forename nickname password secret token gender sex"
    " religion salary patient customer signature maiden".split()
)
_NAME_TOKENS = frozenset({"name", "names"})
# of these a name is no person
_NAMED_THINGS = frozenset(
    "station place city town country county state region district zone area borough street file event holiday product"
    " type category class table column field group stop route line agency provider source vehicle model brand park"
    " airport port school language currency month day weekday layer dataset unit species".split()
)
EMAIL = r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"
PHONE = r"\+[0-9]{8,15}|(\+[0-9]{1,3}[ .-]?)?(\([0-9]{2,4}\)[ ]?|[0-9]{2,4}[ .-])([0-9]{2,4}[ .-]){0,3}[0-9]{3,4}"
IP = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
IBAN = r"[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,3})?"
CARD = r"[3-6][0-9]{3}([ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}"
PATTERNS = {"email": EMAIL, "phone": PHONE, "ip": IP, "iban": IBAN, "card": CARD}
"""Regular expressions of whole values, by what they look like."""

# an email is never there by chance, while numbers of other kinds can look like phones
_SHARE_MIN = {"email": 0.0, "iban": 0.01, "phone": 0.5, "ip": 0.5, "card": 0.5}
_LUHN_SHARE_MIN = 0.5


def split_tokens(name: str) -> list[str]:
    """The lower-case words of a column's name, whether it is `snake_case`, `camelCase` or a title."""
    return [token.lower() for token in _TOKEN.findall(name)]


def find_personal_name(name: str) -> str:
    """Why the name of a column says that it is personal.

    Args:
        name: As the file has it.

    Returns:
        The reason; empty if it does not.
    """
    tokens = split_tokens(name)
    column = "_".join(tokens)
    registered = sorted(source.name for source in SOURCES if column in source.personal_columns)
    if registered:
        return f"personal column of the source {registered[0]}"
    if found := _PERSONAL_TOKENS.intersection(tokens):
        return f"its name contains {sorted(found)[0]}"
    if _NAME_TOKENS.intersection(tokens) and not _NAMED_THINGS.intersection(tokens):
        return "its name contains name"
    return ""


def find_personal_values(shares: dict[str, float]) -> str:
    """Why the values of a column look personal.

    Args:
        shares: Share of the values that match each of `PATTERNS`, 0 to 1.

    Returns:
        The reason; empty if they do not.
    """
    for kind, share in shares.items():
        if share > _SHARE_MIN[kind]:
            return f"its values look like {kind} values"
    return ""


def has_card_numbers(values: Sequence[str]) -> bool:
    """Whether values that look like card numbers have valid check digits, which one in ten other numbers has.

    Args:
        values: A sample of those that match `CARD`.
    """
    valid = sum(_has_check_digit(value) for value in values)
    return valid > _LUHN_SHARE_MIN * len(values)


def _has_check_digit(value: str) -> bool:
    digits = [int(character) for character in reversed(value) if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[0::2]) + sum(doubled)) % 10 == 0
