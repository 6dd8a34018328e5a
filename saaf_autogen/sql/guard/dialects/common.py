"""What engines have in common: functions of their arguments alone, plain types, masks.

A function is listed if its value depends on its arguments and the clock, and on nothing else:
no file, setting, session, catalog, statistic or other row; it takes no SQL in a string, calls
nothing by a name in a string, keeps no state, and takes no lambda.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from saaf_autogen.auth.access import Mask
from saaf_autogen.sql.guard.dialect import Masker

__all__ = ["OPERATIONS", "TYPES", "call", "masker", "words"]

_NUMERIC: tuple[type[exp.Expr], ...] = (
    *(exp.Abs, exp.Acos, exp.Acosh, exp.Asin, exp.Asinh, exp.Atan, exp.Atan2, exp.Atanh),
    *(exp.BitwiseCount, exp.Cbrt, exp.Ceil, exp.Cos, exp.Cosh, exp.Cot, exp.Coth, exp.Csc),
    *(exp.Csch, exp.Degrees, exp.Exp, exp.Factorial, exp.Floor, exp.Getbit, exp.IsInf, exp.IsNan),
    *(exp.Ln, exp.Log, exp.Pi, exp.Radians, exp.Rand, exp.Rint, exp.Round, exp.SafeAdd),
    *(exp.SafeDivide, exp.SafeMultiply, exp.SafeNegate, exp.SafeSubtract, exp.Sec, exp.Sech),
    *(exp.Sign, exp.Sin, exp.Sinh, exp.Sqrt, exp.Tan, exp.Tanh, exp.Trunc, exp.WidthBucket),
)
_TEXT: tuple[type[exp.Expr], ...] = (
    *(exp.Ascii, exp.BitLength, exp.ByteLength, exp.Chr, exp.Concat, exp.ConcatWs, exp.Contains),
    *(exp.Decode, exp.Encode, exp.EndsWith, exp.Format, exp.FromBase64, exp.Hex, exp.Initcap),
    *(exp.JarowinklerSimilarity, exp.Left, exp.Length, exp.Levenshtein, exp.Lower, exp.LowerHex),
    *(exp.MD5, exp.MD5Digest, exp.Normalize, exp.Overlay, exp.Pad, exp.RegexpCount),
    *(exp.RegexpExtract, exp.RegexpExtractAll, exp.RegexpFullMatch, exp.RegexpILike),
    *(exp.RegexpInstr, exp.RegexpLike, exp.RegexpReplace, exp.RegexpSplit, exp.RegexpSubstr),
    *(exp.Repeat, exp.Replace, exp.Reverse, exp.Right, exp.RtrimmedLength, exp.SHA, exp.SHA1Digest),
    *(exp.SHA2, exp.SHA2Digest, exp.Soundex, exp.Space, exp.Split, exp.SplitPart, exp.StartsWith),
    *(exp.StringToArray, exp.StrPosition, exp.Strtok, exp.StrtokToArray, exp.Stuff),
    *(exp.Substring, exp.SubstringIndex, exp.ToBase64, exp.Translate, exp.Trim, exp.Unhex),
    *(exp.Unicode, exp.Upper, exp.Uuid),
)
_TIME: tuple[type[exp.Expr], ...] = (
    *(exp.AddMonths, exp.ConvertTimezone, exp.CurrentDate, exp.CurrentDatetime, exp.CurrentTime),
    *(exp.CurrentTimestamp, exp.Date, exp.DateAdd, exp.DateBin, exp.DateDiff, exp.DateFromParts),
    *(exp.DateFromUnixDate, exp.DateStrToDate, exp.DateSub, exp.Datetime, exp.DatetimeAdd),
    *(exp.DatetimeDiff, exp.DatetimeSub, exp.DatetimeTrunc, exp.DateToDateStr, exp.DateTrunc),
    *(exp.Day, exp.Dayname, exp.DayOfMonth, exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear),
    *(exp.Extract, exp.Hour, exp.JustifyDays, exp.JustifyHours, exp.JustifyInterval, exp.LastDay),
    *(exp.Localtime, exp.Localtimestamp, exp.MakeInterval, exp.Minute, exp.Month, exp.Monthname),
    *(exp.MonthsBetween, exp.NextDay, exp.ParseDatetime, exp.ParseTime, exp.PreviousDay),
    *(exp.Quarter, exp.Second, exp.StrToDate, exp.StrToTime, exp.StrToUnix, exp.Time, exp.TimeAdd),
    *(exp.TimeDiff, exp.TimeFromParts, exp.TimeSlice, exp.Timestamp, exp.TimestampAdd),
    *(exp.TimestampDiff, exp.TimestampFromParts, exp.TimestampLtzFromParts, exp.TimestampSub),
    *(exp.TimestampTrunc, exp.TimestampTzFromParts, exp.TimeStrToDate, exp.TimeStrToTime),
    *(exp.TimeStrToUnix, exp.TimeSub, exp.TimeToStr, exp.TimeToTimeStr, exp.TimeToUnix),
    *(exp.TimeTrunc, exp.ToDays, exp.TsOrDiToDi, exp.TsOrDsAdd, exp.TsOrDsDiff, exp.TsOrDsToDate),
    *(exp.TsOrDsToDateStr, exp.TsOrDsToDatetime, exp.TsOrDsToTime, exp.TsOrDsToTimestamp),
    *(exp.UnixDate, exp.UnixMicros, exp.UnixMillis, exp.UnixSeconds, exp.UnixToStr),
    *(exp.UnixToTime, exp.UnixToTimeStr, exp.UtcDate, exp.UtcTime, exp.UtcTimestamp, exp.Week),
    *(exp.WeekOfYear, exp.WeekStart, exp.Year, exp.YearOfWeek, exp.YearOfWeekIso),
)
_NESTED: tuple[type[exp.Expr], ...] = (
    *(exp.Array, exp.ArrayAppend, exp.ArrayCompact, exp.ArrayConcat, exp.ArrayConstructCompact),
    *(exp.ArrayContainedBy, exp.ArrayContains, exp.ArrayContainsAll, exp.ArrayDistinct),
    *(exp.ArrayExcept, exp.ArrayFirst, exp.ArrayInsert, exp.ArrayIntersect, exp.ArrayLast),
    *(exp.ArrayMax, exp.ArrayMin, exp.ArrayOverlaps, exp.ArrayPosition, exp.ArrayPrepend),
    *(exp.ArrayRemove, exp.ArrayRemoveAt, exp.ArrayReverse, exp.ArraySize, exp.ArraySlice),
    *(exp.ArraySort, exp.ArraySum, exp.ArraysZip, exp.ArrayToString, exp.Explode, exp.Flatten),
    *(exp.GenerateDateArray, exp.GenerateSeries, exp.GenerateTimestampArray, exp.GetExtract),
    *(exp.IsArray, exp.IsNullValue, exp.JSONArray, exp.JSONArrayContains, exp.JSONBContains),
    *(exp.JSONBExtract, exp.JSONBExtractScalar, exp.JSONBool, exp.JSONExists, exp.JSONExtract),
    *(exp.JSONExtractArray, exp.JSONExtractScalar, exp.JSONFormat, exp.JSONKeys, exp.JSONKeyValue),
    *(exp.JSONObject, exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot, exp.JSONPathSubscript),
    *(exp.JSONPathWildcard, exp.JSONStripNulls, exp.JSONType, exp.JSONValueArray, exp.LaxBool),
    *(exp.LaxFloat64, exp.LaxInt64, exp.LaxString, exp.List, exp.Map, exp.MapCat),
    *(exp.MapContainsKey, exp.MapFromEntries, exp.MapKeys, exp.MapSize, exp.ObjectInsert),
    *(exp.ParseJSON, exp.Posexplode, exp.StarMap, exp.StripNullValue, exp.StrToMap, exp.Struct),
    *(exp.StructExtract, exp.ToArray, exp.ToMap, exp.ToVariant, exp.VarMap),
)
_GENERAL: tuple[type[exp.Expr], ...] = (
    *(exp.Booland, exp.Boolnot, exp.Boolor, exp.Coalesce, exp.DecodeCase, exp.EqualNull),
    *(exp.Float64, exp.Greatest, exp.Int64, exp.Least, exp.Nullif, exp.Nvl2, exp.NumberToStr),
    *(exp.RangeBucket, exp.String, exp.ToBoolean, exp.ToChar, exp.ToDouble, exp.ToNumber, exp.Try),
)
_AGGREGATE: tuple[type[exp.Expr], ...] = (
    *(exp.AnyValue, exp.ApproxDistinct, exp.ApproxQuantile, exp.ApproxQuantiles, exp.ApproxTopK),
    *(exp.ArgMax, exp.ArgMin, exp.ArrayAgg, exp.ArrayConcatAgg, exp.ArrayUniqueAgg, exp.Avg),
    *(exp.BitwiseAndAgg, exp.BitwiseOrAgg, exp.BitwiseXorAgg, exp.BoolxorAgg, exp.Corr, exp.Count),
    *(exp.CountIf, exp.CovarPop, exp.CovarSamp, exp.First, exp.GroupConcat, exp.Grouping),
    *(exp.GroupingId, exp.Hll, exp.JSONArrayAgg, exp.JSONBObjectAgg, exp.JSONObjectAgg),
    *(exp.Kurtosis, exp.Last, exp.LogicalAnd, exp.LogicalOr, exp.Max, exp.Median, exp.Min),
    *(exp.Mode, exp.ObjectAgg, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.RegrAvgx),
    *(exp.RegrAvgy, exp.RegrCount, exp.RegrIntercept, exp.RegrR2, exp.RegrSlope, exp.RegrSxx),
    *(exp.RegrSxy, exp.RegrSyy, exp.RegrValx, exp.RegrValy, exp.Skewness, exp.Stddev),
    *(exp.StddevPop, exp.StddevSamp, exp.Sum, exp.Variance, exp.VariancePop),
)
_WINDOW: tuple[type[exp.Expr], ...] = (
    *(exp.CumeDist, exp.DenseRank, exp.FirstValue, exp.Lag, exp.LastValue, exp.Lead),
    *(exp.NthValue, exp.Ntile, exp.PercentRank, exp.Rank, exp.RowNumber),
)
OPERATIONS = frozenset((*_NUMERIC, *_TEXT, *_TIME, *_NESTED, *_GENERAL, *_AGGREGATE, *_WINDOW))

TYPES = frozenset(
    {
        *(exp.DType.BOOLEAN, exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT),
        *(exp.DType.BIGINT, exp.DType.FLOAT, exp.DType.DOUBLE, exp.DType.DECIMAL),
        *(exp.DType.CHAR, exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.DATE, exp.DType.TIME),
        *(exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPNTZ),
        *(exp.DType.TIMESTAMPLTZ, exp.DType.DATETIME, exp.DType.INTERVAL, exp.DType.ARRAY),
        *(exp.DType.JSON, exp.DType.VARBINARY, exp.DType.BINARY),
    }
)


def words(*groups: str) -> frozenset[str]:
    """The names in some text."""
    return frozenset(name for group in groups for name in group.split())


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a function by its name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def masker(digest: Callable[[exp.Expr], exp.Expr], year: Callable[[exp.Expr], exp.Expr]) -> Masker:
    """The masks, given what differs between engines.

    Args:
        digest: the SHA-256 of a text, in lower-case hexadecimal digits.
        year: the first moment of the year that a text begins with, or NULL where it is no date.
    """

    def mask(mask: Mask, column: exp.Expr, key: exp.Expr) -> exp.Expr:
        text = exp.cast(column, exp.DType.VARCHAR)
        if mask == "redact":
            return exp.Literal.string("***")
        if mask == "hash":
            # Keyed, or a list of likely values would undo it; 64 bits, so that joins still work.
            keyed = exp.DPipe(this=key, expression=text)
            return call("left", digest(keyed), exp.Literal.number(16))
        if mask == "last4":
            long = exp.GT(this=call("length", text), expression=exp.Literal.number(4))
            end = call("right", text.copy(), exp.Literal.number(4))
            shown = exp.DPipe(this=exp.Literal.string("***"), expression=end)
            return exp.Case(ifs=[exp.If(this=long, true=shown)], default=exp.Literal.string("***"))
        if mask == "year":
            # Through text, so that it works for dates, timestamps and text alike.
            return year(text)
        # NULL of the column's own type: an untyped one would change how filters on it are read.
        return exp.Case(ifs=[exp.If(this=exp.false(), true=column)])

    return mask
