"""Facts of GoogleSQL, BigQuery's dialect.

BigQuery documents no barrier against moving a filter below another, so the fence is in the values.
"""

from __future__ import annotations

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.dialects.common import OPERATIONS, TYPES, call, masker, words

__all__ = ["BIGQUERY"]

# Left out on purpose: `external_query`, `ml.…` and `ai.…`, keys and encryption, `session_user`,
# remote and user-defined functions, JavaScript, and everything that takes SQL or a name in a text.
_FUNCTIONS = """
abs acos acosh approx_count_distinct approx_quantiles approx_top_count approx_top_sum array
array_agg array_concat array_concat_agg array_first array_last array_length array_reverse
array_slice array_to_string ascii asin asinh atan atan2 atanh avg bit_and bit_count bit_or bit_xor
bool byte_length cbrt ceil ceiling char_length character_length chr code_points_to_bytes
code_points_to_string coalesce concat contains_substr corr cos cosh cot coth count count_if
countif covar_pop covar_samp csc csch cume_dist date date_add date_bucket date_diff
date_from_unix_date date_sub date_trunc datetime datetime_add datetime_bucket datetime_diff
datetime_sub datetime_trunc dense_rank div edit_distance ends_with exp extract farm_fingerprint
first_value float64 floor format format_date format_datetime format_time format_timestamp
from_base32 from_base64 from_hex generate_array generate_date_array generate_timestamp_array
generate_uuid greatest grouping if ifnull ieee_divide initcap instr int64 is_inf is_nan json_array
json_extract json_extract_array json_extract_scalar json_extract_string_array json_keys
json_object json_query json_query_array json_strip_nulls json_type json_value json_value_array
justify_days justify_hours justify_interval lag last_day last_value lax_bool lax_float64 lax_int64
lax_string lead least left length ln log log10 logical_and logical_or lower lpad ltrim
make_interval max max_by md5 min min_by mod normalize normalize_and_casefold nth_value ntile nullif
nullifzero octet_length parse_bignumeric parse_date parse_datetime parse_json parse_numeric
parse_time parse_timestamp percent_rank percentile_cont percentile_disc pow power rand range_bucket
rank regexp_contains regexp_extract regexp_extract_all regexp_instr regexp_replace regexp_substr
repeat replace reverse right round row_number rpad rtrim safe_add safe_convert_bytes_to_string
safe_divide safe_multiply safe_negate safe_subtract sec sech sha1 sha256 sha512 sign sin sinh
soundex split sqrt starts_with stddev stddev_pop stddev_samp string string_agg strpos struct substr
substring sum tan tanh time time_add time_diff time_sub time_trunc timestamp timestamp_add
timestamp_bucket timestamp_diff timestamp_micros timestamp_millis timestamp_seconds timestamp_sub
timestamp_trunc to_base32 to_base64 to_code_points to_hex to_json to_json_string translate trim
trunc unicode unix_date unix_micros unix_millis unix_seconds upper var_pop var_samp variance
zeroifnull
"""
_OPERATIONS = OPERATIONS | {
    *(exp.ApproxTopSum, exp.ArrayAgg, exp.CodePointsToBytes, exp.CodePointsToString),
    *(exp.FarmFingerprint, exp.FromBase32, exp.ParseBignumeric, exp.ParseNumeric),
    *(exp.JSONArrayAppend, exp.JSONArrayInsert, exp.JSONKeysAtDepth, exp.JSONRemove, exp.JSONSet),
    *(exp.SafeConvertBytesToString, exp.ToBase32, exp.ToCodePoints, exp.JSONCast),
}


def _digest(text: exp.Expr) -> exp.Expr:
    return call("to_hex", call("sha256", text))


def _year(text: exp.Expr) -> exp.Expr:
    moment = call("safe.parse_date", exp.Literal.string("%F"), call("left", text, _ten()))
    return exp.cast(call("date_trunc", moment, exp.Var(this="YEAR")), exp.DType.DATETIME)


def _ten() -> exp.Expr:
    return exp.Literal.number(10)


BIGQUERY = Dialect(
    name="bigquery",
    default_schema="",
    operations=_OPERATIONS,
    functions=words(_FUNCTIONS),
    table_functions=frozenset(),
    types=TYPES | {exp.DType.STRUCT, exp.DType.BIGDECIMAL, exp.DType.RANGE},
    mask=masker(_digest, _year),
    fence="value",
    placeholder="@{}",
    shapes={
        exp.HavingMax: frozenset({"this", "expression", "max"}),
        exp.Kwarg: frozenset({"this", "expression"}),
        exp.Limit: frozenset({"this"}),
        exp.SafeFunc: frozenset({"this"}),
        exp.Select: frozenset({"kind"}),
    },
    reparsed=True,
)
