"""Facts of Snowflake's dialect.

Snowflake moves filters below others, and says that their errors then tell of hidden rows
(docs.snowflake.com/developer-guide/pushdown-optimization); it documents secure views as the remedy
and no barrier that a query could carry. So the fence here is in the values.
"""

from __future__ import annotations

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.dialects.common import OPERATIONS, TYPES, call, masker, words

__all__ = ["SNOWFLAKE"]

# Left out on purpose: stages and files (`get_presigned_url`, `infer_schema`, `to_file`), earlier
# results (`result_scan`, `last_query_id`), names in strings (`identifier`, `get_ddl`, `table`),
# `system$…`, session and account, sequences, external and AI functions, and XML.
_NUMERIC = """
abs acos asin atan atan2 bitand bitnot bitor bitshiftleft bitshiftright bitxor cbrt ceil cos cosh
cot degrees div0 div0null exp factorial floor haversine ln log mod normal pi pow power radians
random round sign sin sinh sqrt square tan tanh trunc truncate uniform width_bucket zeroifnull
zipf
"""
_TEXT = """
ascii base64_decode_string base64_encode bit_length charindex chr collate concat concat_ws contains
editdistance endswith hex_decode_string hex_encode ilike initcap insert jarowinkler_similarity left
length like lower lpad ltrim md5 md5_hex octet_length parse_ip position randstr regexp_count
regexp_instr regexp_like regexp_replace regexp_substr regexp_substr_all repeat replace reverse
right rlike rpad rtrim sha1 sha1_hex sha2 sha2_hex soundex space split split_part startswith strtok
strtok_to_array substr substring translate trim try_base64_decode_string unicode upper uuid_string
"""
_TIME = """
add_months convert_timezone date date_from_parts date_part date_trunc dateadd datediff dayname
dayofmonth dayofweek dayofweekiso dayofyear extract from_unixtime hour last_day minute month
monthname months_between next_day previous_day quarter second sysdate time time_from_parts
time_slice timeadd timediff timestamp_from_parts timestamp_ltz_from_parts timestamp_ntz_from_parts
timestamp_tz_from_parts timestampadd timestampdiff to_char to_date to_time to_timestamp
to_timestamp_ltz to_timestamp_ntz to_timestamp_tz to_varchar try_to_date try_to_time
try_to_timestamp try_to_timestamp_ltz try_to_timestamp_ntz try_to_timestamp_tz week weekiso
weekofyear year yearofweek yearofweekiso
"""
_NESTED = """
array_append array_cat array_compact array_construct array_construct_compact array_contains
array_distinct array_except array_flatten array_generate_range array_insert array_intersection
array_max array_min array_position array_prepend array_remove array_remove_at array_reverse
array_size array_slice array_sort array_to_string array_unique_agg array_union_agg arrays_overlap
arrays_to_object arrays_zip as_array as_boolean as_char as_date as_decimal as_double as_integer
as_number as_object as_real as_time as_timestamp_ntz as_varchar check_json get get_ignore_case
get_path is_array is_boolean is_char is_date is_decimal is_double is_integer is_null_value
is_object is_real is_time is_varchar object_agg object_construct object_construct_keep_null
object_delete object_insert object_keys object_pick parse_json strip_null_value to_array to_json
to_object to_variant try_parse_json typeof
"""
_GENERAL = """
boolxor coalesce decode equal_null greatest greatest_ignore_nulls iff ifnull least
least_ignore_nulls nullif nullifzero nvl nvl2 regr_valx regr_valy seq1 seq2 seq4 seq8 to_binary
to_boolean to_decimal to_double to_number to_numeric try_to_binary try_to_boolean try_to_decimal
try_to_double try_to_number try_to_numeric
"""
_AGGREGATE = """
any_value approx_count_distinct approx_percentile approx_top_k array_agg avg bitand_agg bitor_agg
bitxor_agg booland_agg boolor_agg boolxor_agg corr count count_if covar_pop covar_samp grouping
grouping_id hash_agg hll kurtosis listagg max max_by median min min_by minhash mode percentile_cont
percentile_disc ratio_to_report regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
regr_sxx regr_sxy regr_syy skew stddev stddev_pop stddev_samp sum var_pop var_samp variance
variance_pop variance_samp
"""
_WINDOW = """
conditional_change_event conditional_true_event cume_dist dense_rank first_value lag last_value
lead nth_value ntile percent_rank rank row_number
"""
_OPERATIONS = OPERATIONS | {
    *(exp.Base64DecodeString, exp.Base64Encode, exp.BitmapBitPosition, exp.BitmapBucketNumber),
    *(exp.BitmapConstructAgg, exp.BitmapCount, exp.BitmapOrAgg, exp.CheckJson, exp.Collate),
    *(exp.CurrentTimestampLTZ, exp.Generator, exp.GetIgnoreCase, exp.HexDecodeString, exp.Negative),
    *(exp.Normal, exp.Randstr, exp.RegrValx, exp.RegrValy, exp.Seq1, exp.Seq2, exp.Seq4, exp.Seq8),
    *(exp.Systimestamp, exp.ToBinary, exp.ToDecfloat, exp.TryBase64DecodeString),
    *(exp.TryHexDecodeString, exp.Typeof, exp.Uniform, exp.HashAgg, exp.Minhash, exp.ParseUrl),
    *(exp.MapDelete, exp.MapInsert, exp.MapPick),
    *(exp.SplitToTable, exp.StrtokSplitToTable, exp.Zipf),
}


def _year(text: exp.Expr) -> exp.Expr:
    # By a format: without one, whole numbers are read as seconds.
    start = call("left", text, exp.Literal.number(10))
    day = call("try_to_date", start, exp.Literal.string("YYYY-MM-DD"))
    year = call("date_trunc", exp.Literal.string("year"), day)
    return exp.cast(year, exp.DType.TIMESTAMPNTZ)


SNOWFLAKE = Dialect(
    name="snowflake",
    default_schema="PUBLIC",
    operations=_OPERATIONS,
    functions=words(_NUMERIC, _TEXT, _TIME, _NESTED, _GENERAL, _AGGREGATE, _WINDOW),
    table_functions=frozenset(
        {exp.Explode, exp.Flatten, exp.Generator, exp.SplitToTable, exp.StrtokSplitToTable}
    ),
    types=TYPES
    | {
        *(exp.DType.VARIANT, exp.DType.OBJECT, exp.DType.NVARCHAR, exp.DType.NCHAR),
        *(exp.DType.DECFLOAT, exp.DType.MAP, exp.DType.STRUCT, exp.DType.TIMESTAMP_S),
    },
    mask=masker(lambda text: call("sha2", text, exp.Literal.number(256)), _year),
    fold="upper",
    fence="value",
    shapes={
        exp.Join: frozenset({"match_condition"}),
        exp.TryCast: frozenset({"probe_date_format"}),
        exp.Kwarg: frozenset({"this", "expression"}),
        exp.TableFromRows: frozenset({"this", "alias", "joins"}),
    },
    # `a_sequence.NEXTVAL` takes its next number.
    acting=frozenset({"NEXTVAL"}),
    reparsed=True,
)
