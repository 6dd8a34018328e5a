"""Facts of DuckDB's dialect."""

from __future__ import annotations

from sqlglot import exp

from saaf_autogen.sql.guard.dialect import Dialect
from saaf_autogen.sql.guard.dialects.common import call, masker

__all__ = ["DUCKDB", "ENGINE_FUNCTIONS", "ENGINE_TABLE_FUNCTIONS"]

# Left out on purpose: whatever reads files, settings, catalogs, statistics (`stats` tells the
# extremes of rows that a policy hides) or types (`typeof` lists an ENUM's labels), runs SQL held
# in a string, calls by a name held in a string, keeps state, sleeps, or takes a lambda.
_NUMERIC = """
abs acos acosh add asin asinh atan atan2 atanh bin bit_count cbrt ceil ceiling cos cosh cot
degrees divide even exp factorial fdiv floor fmod gamma gcd greatest_common_divisor isfinite isinf
isnan lcm least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow power
radians random round round_even roundbankers sign signbit sin sinh sqrt subtract tan tanh trunc xor
"""
_TEXT = """
array_extract ascii bar base64 bit_length char_length character_length chr concat concat_ws
contains damerau_levenshtein decode editdist3 encode ends_with format formatreadabledecimalsize
formatreadablesize format_bytes from_base64 from_hex hamming hash hex instr jaccard
jaro_similarity jaro_winkler_similarity lcase left left_grapheme len length length_grapheme
levenshtein lower lpad ltrim md5 mismatches nfc_normalize octet_length ord overlay position prefix
printf regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches
regexp_replace regexp_split_to_array repeat replace reverse right right_grapheme rpad rtrim sha1
sha256 split split_part starts_with str_split str_split_regex string_split string_split_regex
string_to_array strip_accents strlen strpos substr substring substring_grapheme suffix to_base
to_base64 to_hex translate trim ucase unhex unicode upper url_decode url_encode like_escape
ilike_escape not_like_escape not_ilike_escape
"""
_TIME = """
age century current_date current_localtime current_localtimestamp current_time current_timestamp
date date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day
dayname dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era
get_current_time get_current_timestamp hour isodow isoyear julian last_day localtime
localtimestamp make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns
make_timestamptz microsecond millennium millisecond minute month monthname nanosecond
normalized_interval now quarter second strftime strptime time time_bucket timestamp timezone
timezone_hour timezone_minute to_centuries to_days to_decades to_hours to_microseconds
to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks
to_years today transaction_timestamp try_strptime week weekday weekofyear year yearweek
"""
_NESTED = """
array_append array_cat array_concat array_contains array_distinct array_has array_has_all
array_has_any array_indexof array_intersect array_length array_pop_back array_pop_front
array_position array_prepend array_push_back array_push_front array_reverse
array_reverse_sort array_slice array_sort array_to_string array_unique array_value array_where
array_zip cardinality element_at flatten len list_any_value list_append list_avg list_bool_and
list_bool_or list_cat list_concat list_contains list_count list_distinct list_element list_extract
list_first list_grade_up list_has list_has_all list_has_any list_indexof list_intersect list_last
list_max list_median list_min list_mode list_pack list_position list_prepend list_product
list_reverse list_reverse_sort list_select list_slice list_sort list_stddev_pop
list_stddev_samp list_string_agg list_sum list_unique list_value list_var_pop list_var_samp
list_where list_zip map map_concat map_contains map_entries map_extract map_extract_value
map_from_entries map_keys map_values range generate_series row struct_concat struct_extract
struct_extract_at struct_insert struct_pack struct_values unnest json json_array
json_array_length json_contains json_exists json_extract json_extract_path
json_extract_path_text json_extract_string json_keys json_object json_type json_valid json_value
to_json array_to_json row_to_json
"""
_GENERAL = """
coalesce greatest if ifnull least nullif uuid gen_random_uuid switch
"""
_AGGREGATE = """
any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null
arg_min arg_min_null argmax argmin array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count
count_if count_star countif covar_pop covar_samp entropy favg first fsum geomean geometric_mean
group_concat grouping grouping_id histogram histogram_exact json_group_array json_group_object
kahan_sum kurtosis kurtosis_pop last list listagg mad max max_by mean median min min_by mode
product quantile quantile_cont quantile_disc regr_avgx regr_avgy
regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem
skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp
variance wavg weighted_avg
"""
_WINDOW = """
cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank
rank_dense row_number
"""
_FUNCTIONS = frozenset(
    name
    for group in (_NUMERIC, _TEXT, _TIME, _NESTED, _GENERAL, _AGGREGATE, _WINDOW)
    for name in group.split()
)

# What DuckDB's own parser makes of operators and literals, on top of the functions above.
_OPERATORS = """
+ - * / // % ** ^ & | ~ << >> || ! @ ~~ !~~ ~~* !~~* ~~~ ^@ <@ @> && -> ->>
"""
ENGINE_FUNCTIONS = _FUNCTIONS | frozenset(_OPERATORS.split())
ENGINE_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})

_OPERATIONS = frozenset(
    {
        *(exp.Abs, exp.Acos, exp.Acosh, exp.Asin, exp.Asinh, exp.Atan, exp.Atan2, exp.Atanh),
        *(exp.BitwiseCount, exp.Cbrt, exp.Ceil, exp.Cos, exp.Cosh, exp.Cot, exp.Degrees, exp.Exp),
        *(exp.Factorial, exp.Floor, exp.IsInf, exp.IsNan, exp.Ln, exp.Log, exp.Pi, exp.Radians),
        *(exp.Rand, exp.Round, exp.Sign, exp.Sin, exp.Sinh, exp.Sqrt, exp.Tan, exp.Tanh, exp.Trunc),
        *(
            exp.Ascii,
            exp.BitLength,
            exp.Chr,
            exp.Concat,
            exp.ConcatWs,
            exp.Contains,
            exp.Encode,
            exp.EndsWith,
        ),
        *(
            exp.Decode,
            exp.Format,
            exp.Hex,
            exp.JarowinklerSimilarity,
            exp.Left,
            exp.Length,
            exp.Levenshtein,
        ),
        *(exp.Lower, exp.MD5, exp.Overlay, exp.Pad, exp.RegexpExtract, exp.RegexpExtractAll),
        *(exp.RegexpFullMatch, exp.RegexpILike, exp.RegexpLike, exp.RegexpReplace),
        *(exp.RegexpSplit, exp.Repeat, exp.Replace, exp.Reverse, exp.Right, exp.SHA, exp.SHA2),
        *(exp.Split, exp.SplitPart, exp.StartsWith, exp.StrPosition, exp.StringToArray),
        *(exp.Substring, exp.Translate, exp.Trim, exp.Unhex, exp.Unicode, exp.Upper),
        *(exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.Date, exp.DateAdd),
        *(exp.DateBin, exp.DateDiff, exp.DateFromParts, exp.DateSub, exp.DateTrunc, exp.Day),
        *(exp.DayOfMonth, exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear, exp.Dayname),
        *(exp.Extract, exp.Hour, exp.LastDay, exp.Localtime, exp.Localtimestamp, exp.Minute),
        *(exp.Month, exp.Monthname, exp.Quarter, exp.Second, exp.StrToDate, exp.StrToTime),
        *(exp.Time, exp.TimeFromParts, exp.TimeToStr, exp.TimeToUnix, exp.TimeTrunc),
        *(exp.Timestamp, exp.TimestampDiff, exp.TimestampFromParts, exp.TimestampTrunc, exp.ToDays),
        *(exp.TsOrDsAdd, exp.TsOrDsDiff, exp.TsOrDsToDate, exp.TsOrDsToTimestamp),
        *(exp.UnixToTime, exp.Week, exp.WeekOfYear, exp.Year, exp.YearOfWeek, exp.YearOfWeekIso),
        *(exp.Array, exp.ArrayAppend, exp.ArrayConcat, exp.ArrayContains, exp.ArrayContainedBy),
        *(exp.ArrayContainsAll, exp.ArrayDistinct, exp.ArrayFirst, exp.ArrayIntersect),
        *(exp.ArrayLast, exp.ArrayMax, exp.ArrayMin, exp.ArrayOverlaps, exp.ArrayPosition),
        *(exp.ArrayPrepend, exp.ArrayReverse, exp.ArraySize, exp.ArraySlice, exp.ArraySort),
        *(exp.ArraySum, exp.ArrayToString, exp.Explode, exp.Flatten, exp.GenerateSeries),
        *(exp.List, exp.Map, exp.MapFromEntries, exp.MapKeys, exp.ToMap, exp.VarMap),
        *(exp.Struct, exp.StructExtract, exp.JSONExtract, exp.JSONExtractScalar, exp.JSONKeys),
        *(exp.JSONArray, exp.JSONObject, exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey),
        *(exp.JSONPathSubscript, exp.JSONPathWildcard, exp.ParseJSON),
        *(exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif, exp.Try),
        *(exp.AnyValue, exp.ApproxDistinct, exp.ApproxQuantile, exp.ApproxTopK, exp.ArgMax),
        *(exp.ArgMin, exp.ArrayAgg, exp.ArrayUniqueAgg, exp.Avg, exp.BitwiseAndAgg),
        *(exp.BitwiseOrAgg, exp.BitwiseXorAgg, exp.Corr, exp.Count, exp.CountIf, exp.CovarPop),
        *(exp.CovarSamp, exp.First, exp.GroupConcat, exp.Grouping, exp.GroupingId, exp.Kurtosis),
        *(exp.Last, exp.LogicalAnd, exp.LogicalOr, exp.Max, exp.Median, exp.Min, exp.Mode),
        *(exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.RegrAvgx, exp.RegrAvgy),
        *(exp.RegrCount, exp.RegrIntercept, exp.RegrR2, exp.RegrSlope, exp.RegrSxx, exp.RegrSxy),
        *(exp.RegrSyy, exp.Skewness, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Sum),
        *(exp.Variance, exp.VariancePop),
        *(exp.CumeDist, exp.DenseRank, exp.FirstValue, exp.Lag, exp.LastValue, exp.Lead),
        *(exp.NthValue, exp.Ntile, exp.PercentRank, exp.Rank, exp.RowNumber),
    }
)
_TYPES = frozenset(
    {
        *(exp.DType.BOOLEAN, exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT),
        *(exp.DType.BIGINT, exp.DType.INT128, exp.DType.UTINYINT, exp.DType.USMALLINT),
        *(exp.DType.UINT, exp.DType.UBIGINT, exp.DType.UINT128, exp.DType.FLOAT),
        *(exp.DType.DOUBLE, exp.DType.DECIMAL, exp.DType.VARCHAR, exp.DType.TEXT),
        *(exp.DType.CHAR, exp.DType.NVARCHAR, exp.DType.DATE, exp.DType.TIME),
        *(exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPNTZ),
        *(exp.DType.TIMESTAMPLTZ, exp.DType.TIMESTAMP_S, exp.DType.TIMESTAMP_MS),
        *(exp.DType.TIMESTAMP_NS, exp.DType.INTERVAL, exp.DType.UUID, exp.DType.JSON),
        *(exp.DType.ARRAY, exp.DType.LIST, exp.DType.STRUCT, exp.DType.MAP),
        *(exp.DType.VARBINARY, exp.DType.BIT),
    }
)


def _year(text: exp.Expr) -> exp.Expr:
    moment = exp.TryCast(this=text, to=exp.DataType.build("TIMESTAMP"), safe=True)
    return call("date_trunc", exp.Literal.string("year"), moment)


DUCKDB = Dialect(
    name="duckdb",
    default_schema="main",
    operations=_OPERATIONS,
    functions=_FUNCTIONS,
    table_functions=frozenset({exp.GenerateSeries}),
    types=_TYPES,
    opaque=exp.Try,
    mask=masker(lambda text: call("sha256", text), _year),
    placeholder="${}",
)
