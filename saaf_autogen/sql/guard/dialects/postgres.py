"""Facts of PostgreSQL's dialect."""

from __future__ import annotations

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.dialects.common import OPERATIONS, TYPES, call, masker, words

__all__ = ["POSTGRES"]

# Left out on purpose: files and large objects, settings, catalogs and everything `pg_…`, the
# `reg…` types, SQL in a string (`query_to_xml`, `dblink`), XML, text search configurations,
# sequences, locks, sleep, `ts_stat`, and whatever tells of the session.
_NUMERIC = """
abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh bit_count cbrt ceil ceiling
cos cosd cosh cot cotd degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log log10
min_scale mod num_nonnulls num_nulls pi pow power radians random round scale sign sin sind sinh
sqrt tan tand tanh trim_scale trunc width_bucket
"""
_TEXT = """
ascii bit_length btrim casefold char_length character_length chr concat concat_ws convert_from
convert_to decode encode format initcap left length lower lpad ltrim md5 normalize octet_length
overlay parse_ident position regexp_count regexp_instr regexp_like regexp_match regexp_matches
regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse
right rpad rtrim sha224 sha256 sha384 sha512 split_part starts_with string_to_array
string_to_table strpos substr substring to_ascii to_bin to_hex to_oct translate unistr upper
"""
_TIME = """
age clock_timestamp current_date current_time current_timestamp date date_add date_bin date_part
date_subtract date_trunc extract isfinite justify_days justify_hours justify_interval localtime
localtimestamp make_date make_interval make_time make_timestamp make_timestamptz now
statement_timestamp timezone to_char to_date to_number to_timestamp transaction_timestamp
"""
_NESTED = """
array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle
array_sort array_to_json array_to_string array_upper cardinality daterange generate_series
generate_subscripts int4range int8range isempty json_array_elements json_array_elements_text
json_array_length json_build_array json_build_object json_each json_each_text json_extract_path
json_extract_path_text json_object json_object_keys json_strip_nulls json_typeof
jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query
jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_strip_nulls jsonb_typeof lower_inc
lower_inf numrange range_merge row row_to_json to_json to_jsonb trim_array tsrange tstzrange
unnest upper_inc upper_inf
"""
_GENERAL = """
coalesce gen_random_uuid greatest least nullif quote_literal quote_nullable uuidv4 uuidv7
"""
_AGGREGATE = """
any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp
every grouping json_agg json_object_agg jsonb_agg jsonb_object_agg max min mode percentile_cont
percentile_disc range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2
regr_slope regr_sxx regr_sxy regr_syy stddev stddev_pop stddev_samp string_agg sum var_pop var_samp
variance
"""
_WINDOW = """
cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
"""
_ROWS = """
generate_series generate_subscripts json_array_elements json_array_elements_text json_each
json_each_text json_object_keys jsonb_array_elements jsonb_array_elements_text jsonb_each
jsonb_each_text jsonb_object_keys jsonb_path_query regexp_matches regexp_split_to_table
string_to_table unnest
"""
# `to_char` of a moment in the session's zone is all that these tell of the session.
_OPERATIONS = OPERATIONS | {
    *(exp.ExplodingGenerateSeries, exp.JSONBDeleteAtPath, exp.JSONBContainsAllTopKeys),
    *(exp.JSONBContainsAnyTopKeys, exp.JSONBContainsTopKey, exp.JSONBPathExists, exp.Variadic),
}
_DATE = r"^(?!0000)(?!.*BC)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])([^0-9]|$)"


def _digest(text: exp.Expr) -> exp.Expr:
    octets = call("sha256", call("convert_to", text, exp.Literal.string("UTF8")))
    return call("encode", octets, exp.Literal.string("hex"))


def _year(text: exp.Expr) -> exp.Expr:
    # There is no cast that yields NULL; CASE keeps the one there is from what is no date.
    one, zero = exp.Literal.number(1), exp.Literal.number(0)
    digits = call("left", text.copy(), exp.Literal.number(4))
    number = exp.cast(digits, exp.DType.INT)
    moment = call("make_timestamp", number, one, one.copy(), zero, zero.copy(), zero.copy())
    dated = exp.RegexpLike(this=text, expression=exp.Literal.string(_DATE))
    return exp.Case(ifs=[exp.If(this=dated, true=moment)])


POSTGRES = Dialect(
    name="postgres",
    default_schema="public",
    operations=_OPERATIONS,
    functions=words(_NUMERIC, _TEXT, _TIME, _NESTED, _GENERAL, _AGGREGATE, _WINDOW),
    table_functions=frozenset({exp.GenerateSeries, exp.ExplodingGenerateSeries}),
    rows=words(_ROWS),
    types=TYPES
    | {
        *(exp.DType.JSONB, exp.DType.UUID, exp.DType.BIT, exp.DType.INT4RANGE),
        *(exp.DType.INT8RANGE, exp.DType.NUMRANGE, exp.DType.TSRANGE, exp.DType.TSTZRANGE),
        *(exp.DType.DATERANGE, exp.DType.MONEY, exp.DType.INET, exp.DType.TIMETZ, exp.DType.BPCHAR),
    },
    mask=masker(_digest, _year),
    fold="lower",
    placeholder="%({})s",
    percent=True,
    shapes={
        exp.Kwarg: frozenset({"this", "expression"}),
        exp.Lateral: frozenset({"ordinality"}),
        exp.Table: frozenset({"ordinality"}),
    },
)
