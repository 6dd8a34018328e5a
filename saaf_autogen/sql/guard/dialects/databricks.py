"""Facts of Databricks SQL.

Databricks documents no barrier against moving a filter below another, so the fence is in the
values.
"""

from __future__ import annotations

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.dialects.common import OPERATIONS, TYPES, call, masker, words

__all__ = ["DATABRICKS"]

# Left out on purpose: `read_files`, `ai_…`, `http_request`, `secret`, `java_method` and `reflect`,
# `input_file_name`, session and catalog functions, sketches, and whatever takes a lambda or code.
_FUNCTIONS = """
abs acos acosh add_months any any_value approx_count_distinct approx_percentile
approx_top_k array array_agg array_append array_compact array_contains array_distinct array_except
array_insert array_intersect array_join array_max array_min array_position array_prepend
array_remove array_repeat array_size array_union arrays_overlap arrays_zip ascii asin asinh atan
atan2 atanh avg base64 bigint bin bit_and bit_count bit_get bit_length bit_or bit_xor bool_and
bool_or boolean bround btrim cardinality cbrt ceil ceiling char char_length character_length
charindex chr coalesce collect_list collect_set concat concat_ws contains conv convert_timezone
corr cos cosh cot count count_if covar_pop covar_samp crc32 csc cube cume_dist curdate
current_date current_timestamp date date_add date_diff date_format date_from_unix_date date_part
date_sub date_trunc dateadd datediff day dayname dayofmonth dayofweek dayofyear decimal decode
degrees dense_rank div double element_at elt encode endswith equal_null every exp explode
explode_outer expm1 extract factorial find_in_set first first_value flatten float floor
format_number format_string from_json from_unixtime from_utc_timestamp get get_json_object getbit
greatest grouping grouping_id hash hex histogram_numeric hour hypot if iff ifnull ilike initcap
inline inline_outer instr int isnan isnotnull isnull json_array_length json_object_keys json_tuple
kurtosis lag last last_day last_value lcase lead least left len length levenshtein like listagg ln
localtimestamp locate log log10 log1p log2 lower lpad ltrim make_date make_dt_interval
make_interval make_timestamp make_ym_interval map map_concat map_contains_key map_entries
map_from_arrays map_from_entries map_keys map_values max max_by md5 mean median min min_by minute
mod mode monotonically_increasing_id month months_between named_struct nanvl negative next_day now
nth_value ntile nullif nullifzero nvl nvl2 octet_length overlay parse_json parse_url percent_rank
percentile percentile_approx percentile_cont percentile_disc pi pmod posexplode posexplode_outer
position positive pow power printf quarter radians rand randn random rank regexp regexp_count
regexp_extract regexp_extract_all regexp_instr regexp_like regexp_replace regexp_substr regr_avgx
regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace
reverse right rint rlike round row_number rpad rtrim schema_of_json sec second sequence sha sha1
sha2 shiftleft shiftright shuffle sign signum sin sinh size skewness slice smallint some
sort_array soundex space split split_part sqrt stack startswith std stddev stddev_pop stddev_samp
str_to_map string string_agg struct substr substring substring_index sum tan tanh timediff
timestamp timestamp_micros timestamp_millis timestamp_seconds timestampadd timestampdiff tinyint
to_char to_date to_json to_number to_timestamp to_unix_timestamp to_utc_timestamp to_varchar
translate trim trunc try_add try_avg try_divide try_element_at try_multiply try_parse_json
try_subtract try_sum try_to_number try_to_timestamp try_variant_get typeof ucase unbase64 unhex
unix_date unix_micros unix_millis unix_seconds unix_timestamp upper uuid var_pop var_samp
variance variant_explode variant_get weekday weekofyear width_bucket xxhash64 year zeroifnull
"""
_OPERATIONS = OPERATIONS | {
    *(exp.CastToStrType, exp.DateToDi, exp.DiToDate, exp.ExplodeOuter, exp.Inline, exp.Nanvl),
    *(exp.PosexplodeOuter, exp.Randn, exp.Shuffle, exp.Stack, exp.Typeof, exp.ParseUrl, exp.Elt),
}
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"


def _year(text: exp.Expr) -> exp.Expr:
    # Digits alone are a year to this engine's cast, and would be shown whole.
    dated = call("regexp_like", text.copy(), exp.Literal.string(_DATE))
    start = call("left", text, exp.Literal.number(10))
    moment = exp.TryCast(this=start, to=exp.DataType.build("TIMESTAMP"), safe=True)
    year = call("date_trunc", exp.Literal.string("year"), moment)
    return exp.Case(ifs=[exp.If(this=dated, true=year)])


DATABRICKS = Dialect(
    name="databricks",
    default_schema="default",
    operations=_OPERATIONS,
    functions=words(_FUNCTIONS),
    table_functions=frozenset(
        {
            *(exp.Explode, exp.ExplodeOuter, exp.Posexplode, exp.PosexplodeOuter),
            *(exp.Inline, exp.Stack, exp.GenerateSeries),
        }
    ),
    rows=words("explode explode_outer posexplode posexplode_outer inline inline_outer json_tuple"),
    types=TYPES | {exp.DType.STRUCT, exp.DType.MAP, exp.DType.VARIANT},
    mask=masker(lambda text: call("sha2", text, exp.Literal.number(256)), _year),
    fence="value",
    reparsed=True,
)
