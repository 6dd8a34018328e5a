"""Columns that look as if they held personal data or secrets, by name, type and values.

A guess, for defaults that do no harm: such columns get a tag and no sample values. It neither
finds all of them nor replaces a person's look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from saaf_autogen.sql.introspection.schema import Value

__all__ = ["Sensitivity", "look_personal", "sensitivity_of"]

Sensitivity = Literal["personal", "secret"]

_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+")
# Words of a column's name, singular; those of several words stand together.
_SECRET = frozenset(
    """
    password passwd pwd pass passwort passphrase secret token apikey api_key access_key private_key
    secret_key credential credentials otp totp pin pincode cvv cvc salt cookie session_key
    password_hash pw_hash refresh_token contrasena motdepasse
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_PERSONAL = frozenset(
    """
    email mail e_mail phone telephone mobile cellphone fax ssn sin social_security iban bic passport
    dob born birth birthday birthdate birth_date date_of_birth geburtsdatum firstname first_name
    lastname last_name surname fullname full_name given_name family_name middle_name maiden_name
    vorname nachname telefon adresse strasse correo telefono apellido nombre prenom naissance
    address street postcode zipcode zip_code postal_code gender sex ethnicity race religion
    nationality salary wage wages income credit_card card_number cardnumber pan account_number
    bank_account tax_id taxid vat_id national_id nino driver_license drivers_license
    licence_number license_number ip ip_address ipaddress mac_address device_id imei user_agent
    diagnosis disease medication disability biometric fingerprint username user_name login
    emergency_contact next_of_kin signature
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_PEOPLE = frozenset(
    """
    person people user customer client employee staff patient contact member student teacher
    subscriber applicant candidate guest passenger driver author child parent account_holder
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
_TYPES = ("inet", "cidr", "macaddr", "macaddr8")
_VALUES = re.compile(
    r"""
    [^@\s]+@[^@\s]+\.[a-z]{2,}            # e-mail
    | [A-Z]{2}\d{2}(?:\ ?[A-Z0-9]{4}){3,7}(?:\ ?[A-Z0-9]{1,4})?   # IBAN
    | \d{3}-\d{2}-\d{4}                   # United States social security
    | \+\d[\d ()/-]{7,}\d                 # international telephone
    | (?:\d{4}[ -]){3}\d{4}               # card
    """,
    re.VERBOSE | re.IGNORECASE,
)


def sensitivity_of(table: str, column: str, type_name: str) -> Sensitivity | None:
    """What the names suggest; None where nothing does."""
    said = _phrases(column)
    if said & _SECRET:
        return "secret"
    if said & _PERSONAL or type_name.lower() in _TYPES:
        return "personal"
    if column.lower() in ("name", "nom") and _phrases(table) & _PEOPLE:
        return "personal"
    return None


def look_personal(values: Iterable[Value]) -> bool:
    """Whether some value looks like an address, a number of an account or of a telephone."""
    return any(isinstance(value, str) and _VALUES.fullmatch(value.strip()) for value in values)


def _phrases(name: str) -> set[str]:
    """The words of a name, in lower case and singular, and every run of two or three of them."""
    words = [word.lower() for word in _PIECES.findall(name)]
    words = [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]
    runs = {"_".join(words[at : at + size]) for size in (1, 2, 3) for at in range(len(words))}
    return runs | {name.lower()}
