from __future__ import annotations

import pytest

from saaf_autogen.sql.introspection import (
    Family,
    Sensitivity,
    family_of,
    plain_type,
    sensitivity_of,
)
from saaf_autogen.sql.introspection.personal import look_personal


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ("email", "personal"),
        ("E-Mail", "personal"),
        ("customerEmailAddress", "personal"),
        ("EMAIL_ADDRESSES", "personal"),
        ("phoneNumber", "personal"),
        ("date_of_birth", "personal"),
        ("DOB", "personal"),
        ("IBAN", "personal"),
        ("ssn", "personal"),
        ("credit_card_no", "personal"),
        ("Nachname", "personal"),
        ("ip_address", "personal"),
        ("password", "secret"),
        ("PasswordHash", "secret"),
        ("api_token", "secret"),
        ("APIKey", "secret"),
        ("stripe_secret", "secret"),
        ("carrier", None),
        ("emission", None),
        ("platform", None),
        ("passenger_count", None),
        ("origin", None),
        ("business_key", None),
        ("tokenizer", None),
        ("shipping", None),
        ("name", None),
    ],
)
def test_a_name_tells_of_personal_data(column: str, wanted: Sensitivity | None) -> None:
    assert sensitivity_of("orders", column, "VARCHAR") == wanted


def test_a_name_is_personal_where_the_table_is_of_people() -> None:
    assert sensitivity_of("dim_customers", "name", "VARCHAR") == "personal"
    assert sensitivity_of("airlines", "name", "VARCHAR") is None


def test_addresses_of_machines_are_personal_by_their_type() -> None:
    assert sensitivity_of("logins", "source", "inet") == "personal"


@pytest.mark.parametrize(
    "value",
    ["ann@example.org", "DE89 3704 0044 0532 0130 00", "123-45-6789", "+49 170 1234567"],
)
def test_values_betray_what_a_name_hides(value: str) -> None:
    assert look_personal(["x", value])


def test_codes_and_numbers_are_not_taken_for_personal_values() -> None:
    assert not look_personal(["UA", "N14228", 42, "2013-01-01 10:00", "a@b", "737-7H4"])


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("INTEGER", "number"),
        ("DECIMAL(10,2)", "number"),
        ("NUMBER(38,0)", "number"),
        ("double precision", "number"),
        ("character varying(20)", "text"),
        ("UUID", "text"),
        ("timestamp with time zone", "time"),
        ("TIMESTAMP_NTZ", "time"),
        ("BOOLEAN", "boolean"),
        ("INTEGER[]", "other"),
        ("STRUCT(a INTEGER)", "other"),
        ("MAP(VARCHAR, INTEGER)", "other"),
        ("JSON", "other"),
        ("INTERVAL", "other"),
        ("", "other"),
    ],
)
def test_types_fall_into_families(name: str, family: Family) -> None:
    assert family_of(name) == family


def test_the_type_of_a_file_names_no_labels_and_no_endless_struct() -> None:
    assert plain_type("ENUM('secret label')") == "VARCHAR"
    assert plain_type(f"STRUCT({', '.join(f'a{n} INTEGER' for n in range(50))})") == "STRUCT"
