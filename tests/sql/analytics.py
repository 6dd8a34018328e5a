"""Ordinary questions to the sample warehouse: each must run, and answer as it does unguarded."""

from __future__ import annotations

QUERIES: tuple[str, ...] = (
    "SELECT * FROM airlines",
    "SELECT count(*) FROM flights",
    "SELECT COUNT(*) AS n, COUNT(dep_time), COUNT(DISTINCT tailnum) FROM flights",
    "SELECT origin, AVG(dep_delay) FROM flights GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
    "SELECT carrier, avg(arr_delay) AS d FROM flights WHERE arr_delay IS NOT NULL "
    "GROUP BY carrier HAVING count(*) > 1000 ORDER BY d DESC",
    "SELECT a.name, count(*) AS n FROM flights f JOIN airlines a ON f.carrier = a.carrier "
    "GROUP BY a.name ORDER BY n DESC",
    "SELECT name, n FROM (SELECT carrier, count(*) n FROM flights GROUP BY 1) "
    "JOIN airlines USING (carrier) ORDER BY n DESC",
    "SELECT f.dest, ap.name FROM flights f LEFT JOIN airports ap ON ap.faa = f.dest "
    "WHERE ap.faa IS NULL GROUP BY ALL ORDER BY ALL",
    "SELECT month, count(*) FILTER (WHERE dep_time IS NULL) AS cancelled, count(*) AS n "
    "FROM flights GROUP BY month ORDER BY month",
    "SELECT month, sum(CASE WHEN dep_delay > 15 THEN 1 ELSE 0 END)::DOUBLE / count(*) AS late "
    "FROM flights GROUP BY 1 ORDER BY 1",
    "SELECT make_date(year, month, day) AS d, count(*) FROM flights GROUP BY 1 ORDER BY 2 DESC, 1 "
    "LIMIT 10",
    "SELECT date_trunc('month', time_hour) AS m, avg(dep_delay) FROM flights GROUP BY 1 ORDER BY 1",
    "SELECT date_trunc('week', time_hour)::DATE AS w, max(dep_delay) FROM flights GROUP BY w "
    "ORDER BY w",
    "SELECT extract(dow FROM time_hour) AS dow, count(*) FROM flights GROUP BY dow ORDER BY dow",
    "SELECT EXTRACT(hour FROM time_hour) h, avg(dep_delay) d FROM flights GROUP BY h ORDER BY h",
    "SELECT strftime(time_hour, '%Y-%m') AS ym, count(*) FROM flights GROUP BY ym ORDER BY ym",
    "SELECT dayname(time_hour) AS d, median(dep_delay) FROM flights GROUP BY d ORDER BY d",
    "SELECT monthname(time_hour) m, count(*) FROM flights GROUP BY 1 ORDER BY 1",
    "SELECT date_part('quarter', time_hour) q, count(*) FROM flights GROUP BY q ORDER BY q",
    "SELECT year(time_hour), month(time_hour), day(time_hour), hour(time_hour), "
    "quarter(time_hour), week(time_hour), dayofweek(time_hour), dayofyear(time_hour) "
    "FROM flights ORDER BY time_hour, flight, carrier LIMIT 5",
    "SELECT date_diff('day', DATE '2013-01-01', max(time_hour)::DATE) FROM flights",
    "SELECT min(time_hour) + INTERVAL 1 DAY, max(time_hour) - INTERVAL '2 hours' FROM flights",
    "SELECT count(*) FROM flights WHERE time_hour BETWEEN TIMESTAMP '2013-02-01' "
    "AND TIMESTAMP '2013-02-28 23:59:59'",
    "SELECT count(*) FROM flights WHERE time_hour >= '2013-07-04' AND time_hour < '2013-07-05'",
    "SELECT quantile_cont(dep_delay, 0.5), quantile_disc(dep_delay, 0.9), "
    "quantile_cont(arr_delay, [0.25, 0.5, 0.75]) FROM flights",
    "SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY dep_delay) FROM flights",
    "SELECT median(distance), mode(dest), stddev(dep_delay), var_pop(dep_delay), "
    "corr(dep_delay, arr_delay), regr_slope(arr_delay, dep_delay) FROM flights",
    "SELECT arg_max(dest, distance), arg_min(dest, distance), max_by(carrier, distance) FROM "
    "(SELECT DISTINCT dest, distance, 'x' AS carrier FROM flights WHERE distance > 4900 "
    "OR distance < 90)",
    "SELECT carrier, n, rank() OVER (ORDER BY n DESC) AS r FROM "
    "(SELECT carrier, count(*) AS n FROM flights GROUP BY carrier) ORDER BY r",
    "SELECT origin, dest, n FROM (SELECT origin, dest, count(*) AS n FROM flights GROUP BY ALL) "
    "QUALIFY row_number() OVER (PARTITION BY origin ORDER BY n DESC, dest) <= 3 "
    "ORDER BY origin, n DESC",
    "SELECT month, n, n - lag(n) OVER (ORDER BY month) AS change, "
    "sum(n) OVER (ORDER BY month ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS running "
    "FROM (SELECT month, count(*) n FROM flights GROUP BY month) ORDER BY month",
    "SELECT month, avg(n) OVER w AS smooth, first_value(n) OVER w, ntile(4) OVER (ORDER BY n) "
    "FROM (SELECT month, count(*) n FROM flights GROUP BY month) "
    "WINDOW w AS (ORDER BY month ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) ORDER BY month",
    "SELECT month, n, percent_rank() OVER (ORDER BY n), cume_dist() OVER (ORDER BY n), "
    "dense_rank() OVER (ORDER BY n) FROM (SELECT month, count(*) n FROM flights GROUP BY 1) "
    "ORDER BY month",
    "WITH d AS (SELECT carrier, avg(dep_delay) AS m FROM flights GROUP BY 1) "
    "SELECT a.name, d.m FROM d JOIN airlines a USING (carrier) ORDER BY d.m DESC LIMIT 5",
    "WITH a AS (SELECT origin, count(*) n FROM flights GROUP BY 1), "
    "b AS (SELECT max(n) AS top FROM a) SELECT origin FROM a, b WHERE a.n = b.top",
    "WITH flights AS (SELECT * FROM flights WHERE carrier = 'UA') SELECT count(*) FROM flights",
    "WITH RECURSIVE days(d) AS (SELECT DATE '2013-01-01' UNION ALL "
    "SELECT (d + INTERVAL 1 DAY)::DATE FROM days WHERE d < DATE '2013-01-10') "
    "SELECT d, count(f.flight) FROM days LEFT JOIN flights f "
    "ON make_date(f.year, f.month, f.day) = d GROUP BY d ORDER BY d",
    "SELECT d.range::DATE AS day, count(f.flight) FROM "
    "range(DATE '2013-03-01', DATE '2013-03-05', INTERVAL 1 DAY) d LEFT JOIN flights f "
    "ON make_date(f.year, f.month, f.day) = d.range GROUP BY ALL ORDER BY day",
    "SELECT i, i * i FROM generate_series(1, 5) t(i)",
    "SELECT carrier FROM flights f WHERE dep_delay = (SELECT max(dep_delay) FROM flights)",
    "SELECT carrier, flight FROM flights f WHERE dep_delay > "
    "(SELECT avg(dep_delay) + 8 * stddev(dep_delay) FROM flights g WHERE g.carrier = f.carrier) "
    "ORDER BY ALL LIMIT 20",
    "SELECT name FROM airlines a WHERE EXISTS "
    "(SELECT 1 FROM flights f WHERE f.carrier = a.carrier AND f.dest = 'HNL') ORDER BY name",
    "SELECT name FROM airlines WHERE carrier NOT IN (SELECT carrier FROM flights "
    "WHERE origin = 'JFK') ORDER BY 1",
    "SELECT dest FROM flights WHERE origin = 'JFK' INTERSECT SELECT dest FROM flights "
    "WHERE origin = 'LGA' ORDER BY dest",
    "SELECT faa FROM airports EXCEPT SELECT dest FROM flights ORDER BY 1 LIMIT 20",
    "SELECT 'origin' AS what, count(DISTINCT origin) FROM flights UNION ALL "
    "SELECT 'dest', count(DISTINCT dest) FROM flights ORDER BY 1",
    "(SELECT carrier FROM airlines ORDER BY 1 LIMIT 2) UNION ALL "
    "(SELECT carrier FROM airlines ORDER BY 1 DESC LIMIT 2)",
    "SELECT origin, carrier, count(*) FROM flights GROUP BY ROLLUP (origin, carrier) "
    "ORDER BY origin NULLS LAST, carrier NULLS LAST",
    "SELECT origin, month, grouping(origin), count(*) FROM flights "
    "GROUP BY GROUPING SETS ((origin), (month), ()) ORDER BY ALL",
    "SELECT origin, month, count(*) FROM flights GROUP BY CUBE (origin, month) ORDER BY ALL",
    "SELECT DISTINCT origin FROM flights ORDER BY origin",
    "SELECT DISTINCT ON (origin) origin, dest, distance FROM flights "
    "ORDER BY origin, distance DESC, dest",
    "SELECT * EXCLUDE (year, month, day) FROM flights ORDER BY time_hour, flight, carrier LIMIT 3",
    "SELECT * REPLACE (upper(name) AS name) FROM airlines ORDER BY carrier",
    "SELECT f.*, a.name FROM flights f JOIN airlines a USING (carrier) "
    "ORDER BY f.time_hour, f.flight, f.carrier LIMIT 3",
    "SELECT flights.carrier, airlines.name FROM flights, airlines "
    "WHERE flights.carrier = airlines.carrier AND flights.dest = 'ANC' ORDER BY flights.flight",
    "SELECT main.flights.carrier FROM main.flights WHERE main.flights.dest = 'LEX'",
    "SELECT nyc.main.airlines.name FROM nyc.main.airlines ORDER BY 1 LIMIT 2",
    'SELECT "Carrier" AS "the carrier", COUNT(*) AS "count of" FROM "FLIGHTS" GROUP BY "Carrier" '
    'ORDER BY "count of"',
    "FROM airlines ORDER BY carrier LIMIT 3",
    "FROM flights SELECT origin, count(*) GROUP BY origin ORDER BY origin",
    "SELECT coalesce(dep_delay, 0), nullif(arr_delay, 0), greatest(dep_delay, arr_delay), "
    "least(dep_delay, arr_delay), ifnull(tailnum, '?'), if(dep_delay > 0, 'late', 'ok') "
    "FROM flights ORDER BY time_hour, flight, carrier LIMIT 20",
    "SELECT CASE origin WHEN 'JFK' THEN 'Kennedy' WHEN 'LGA' THEN 'La Guardia' ELSE 'Newark' END "
    "AS airport, count(*) FROM flights GROUP BY airport ORDER BY airport",
    "SELECT CASE WHEN dep_delay <= 0 THEN 'on time' WHEN dep_delay <= 60 THEN 'late' "
    "WHEN dep_delay IS NULL THEN 'cancelled' ELSE 'very late' END AS kind, count(*) "
    "FROM flights GROUP BY 1 ORDER BY 1",
    "SELECT dep_time // 100 AS h, dep_time % 100 AS m, count(*) FROM flights "
    "WHERE dep_time IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 5",
    "SELECT round(avg(distance / (air_time / 60.0)), 1) AS mph FROM flights WHERE air_time > 0",
    "SELECT abs(-1), ceil(1.2), floor(1.8), sqrt(2), power(2, 10), 2 ** 3, ln(10), log10(100), "
    "5 // 2, 5 % 3, sign(-3), pi(), trunc(1.7), 7 & 3, 1 << 4, 6 | 1, xor(6, 3)",
    "SELECT lower(name), upper(name), length(name), substring(name, 1, 3), name[1:2], "
    "left(name, 2), right(name, 2), replace(name, 'Air', '-'), trim(name), name || '!', "
    "concat(carrier, ' ', name), split_part(name, ' ', 1), reverse(name), "
    "lpad(carrier, 4, '.'), starts_with(name, 'A'), contains(name, 'Air'), strpos(name, 'i'), "
    "regexp_replace(name, '[aeiou]', '', 'g'), regexp_extract(name, '^\\w+'), "
    "string_split(name, ' ') FROM airlines "
    "ORDER BY carrier",
    "SELECT name FROM airports WHERE name LIKE '%International%' AND name NOT ILIKE '%county%' "
    "ORDER BY name LIMIT 20",
    "SELECT name FROM airports WHERE regexp_matches(name, '^[A-C].*Field$') ORDER BY name",
    "SELECT name FROM airports WHERE name SIMILAR TO 'K.*' OR faa IN ('JFK', 'LGA') ORDER BY 1",
    "SELECT string_agg(carrier, ', ' ORDER BY carrier), list(carrier ORDER BY carrier)[1:3] "
    "FROM airlines",
    "SELECT list_sort(array_agg(DISTINCT origin)), len(list(DISTINCT origin)) FROM flights",
    "SELECT unnest(list_sort(list(DISTINCT origin))) AS o FROM flights",
    "SELECT u.o FROM (SELECT list(DISTINCT origin) AS os FROM flights) t, UNNEST(t.os) AS u(o) "
    "ORDER BY 1",
    "SELECT {'o': origin, 'n': count(*)} AS s FROM flights GROUP BY origin ORDER BY origin",
    "SELECT s.o FROM (SELECT {'o': origin} AS s FROM flights GROUP BY origin) ORDER BY 1",
    "SELECT histogram(origin) FROM flights",
    "SELECT approx_count_distinct(origin), bool_or(dep_delay > 1000), bool_and(distance > 0), "
    "any_value(year), first(year), count_if(dep_delay > 60), product(1), skewness(dep_delay) "
    "FROM flights",
    "SELECT sum(distance)::HUGEINT, avg(distance)::DECIMAL(10, 2), CAST(max(distance) AS VARCHAR), "
    "TRY_CAST('x' AS INTEGER) FROM flights",
    "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) t(i, s) ORDER BY i",
    "SELECT w.temp, count(*) FROM flights f JOIN weather w "
    "ON f.origin = w.origin AND f.time_hour = w.time_hour WHERE w.visib < 1 "
    "GROUP BY w.temp ORDER BY 2 DESC, 1 LIMIT 5",
    "SELECT corr(w.visib, f.dep_delay) FROM flights f JOIN weather w USING (origin, time_hour)",
    "SELECT p.manufacturer, count(*) n, avg(2013 - p.year) age FROM flights f "
    "JOIN planes p USING (tailnum) GROUP BY 1 HAVING n > 5000 ORDER BY n DESC",
    "SELECT a.origin, b.origin FROM (SELECT DISTINCT origin FROM flights) a "
    "CROSS JOIN (SELECT DISTINCT origin FROM flights) b ORDER BY 1, 2",
    "SELECT f.flight, w.temp FROM (SELECT * FROM flights WHERE dest = 'ANC') f "
    "ASOF JOIN weather w ON f.origin = w.origin AND f.time_hour >= w.time_hour ORDER BY 1, 2",
    "SELECT count(*) FROM planes p ANTI JOIN flights f ON f.tailnum = p.tailnum",
    "SELECT count(*) FROM planes p SEMI JOIN flights f USING (tailnum)",
    "SELECT count(*) FROM airlines NATURAL JOIN (SELECT DISTINCT carrier FROM flights)",
    "SELECT a.name, t.dest, t.n FROM airlines a, LATERAL (SELECT dest, count(*) AS n FROM "
    "flights f WHERE f.carrier = a.carrier GROUP BY dest ORDER BY n DESC, dest LIMIT 1) t "
    "ORDER BY a.name",
    "SELECT a.name, (SELECT count(*) FROM flights f WHERE f.carrier = a.carrier) AS n "
    "FROM airlines a ORDER BY n DESC, a.name",
    "SELECT (SELECT max(dep_delay) FROM flights) - (SELECT min(dep_delay) FROM flights) AS spread",
    "SELECT carrier, dep_delay > ALL (SELECT dep_delay FROM flights WHERE carrier = 'OO' "
    "AND dep_delay IS NOT NULL) AS over FROM flights WHERE dest = 'ANC' ORDER BY ALL",
    "SELECT time_bucket(INTERVAL '3 months', time_hour) b, count(*) FROM flights GROUP BY b "
    "ORDER BY b",
    "SELECT last_day(DATE '2013-02-03'), DATE '2013-01-31' + 1, age(DATE '2013-03-01', "
    "DATE '2013-01-01'), epoch(TIMESTAMP '2013-01-01'), strptime('2013-05-06', '%Y-%m-%d'), "
    "make_timestamp(2013, 1, 2, 3, 4, 5.5), to_timestamp(0), isodow(DATE '2013-01-06')",
    "SELECT TIMESTAMP '2013-01-01 12:00:00' AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York'",
    "SELECT tz.name FROM airports AS tz ORDER BY lat DESC NULLS LAST, tz.name LIMIT 3 OFFSET 2",
    "SELECT origin, count(*) AS n, round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS share "
    "FROM flights GROUP BY origin ORDER BY n DESC",
    "SELECT dep_delay IS DISTINCT FROM arr_delay AS d, count(*) FROM flights GROUP BY d ORDER BY d",
    "SELECT count(*) FROM flights WHERE NOT (dep_delay > 0 OR arr_delay > 0) AND tailnum <> ''",
    "SELECT sha256(name), md5(name), hash(1) = hash(1), hex(255), chr(65), ascii('A') "
    "FROM airlines ORDER BY carrier LIMIT 2",
    "SELECT format('{} flies {}', carrier, name), printf('%s', name) FROM airlines ORDER BY 1",
    "SELECT * FROM airlines ORDER BY carrier COLLATE NOCASE LIMIT 3;",
    "-- how many?\nSELECT /* all */ count(*) -- of them\nFROM flights",
    "SELECT CAST(AVG(dep_delay) AS NUMERIC(10,2)) FROM flights",
    "SELECT carrier, APPROX_QUANTILE(distance, 0.95) > 0 FROM flights GROUP BY carrier",
    "SELECT DATE_ADD(DATE '2013-01-01', INTERVAL 1 DAY), DATE '2013-01-01' + INTERVAL '1' MONTH",
    "SELECT DATEDIFF('day', DATE '2013-01-01', DATE '2013-02-01'), DATE_SUB('month', DATE "
    "'2013-01-01', DATE '2013-02-01')",
    "SELECT COUNT(*) FROM flights WHERE carrier = ANY(['UA','AA'])",
    "SELECT COUNT(*) FROM flights WHERE list_contains(['UA'], carrier)",
    "SELECT SUM(CASE WHEN arr_delay > 0 THEN 1 END) * 1.0 / COUNT(*) FROM flights",
    "SELECT carrier, COUNT(*)::FLOAT / SUM(COUNT(*)) OVER () FROM flights GROUP BY carrier",
    "SELECT last_value(x IGNORE NULLS) OVER (ORDER BY x) FROM range(3) t(x)",
    "SELECT ROUND(AVG(dep_delay)::NUMERIC, 2) FROM flights",
    "SELECT try_strptime('2013','%Y'), TRY(1//0)",
    "SELECT 1e3, .5, 1_000, 0x10",
    "SELECT TRUE AND NOT FALSE, NULL IS NULL, 1 <> 2, 1 != 2, 1 == 1",
    "SELECT origin FROM flights GROUP BY origin HAVING AVG(dep_delay) > (SELECT "
    "AVG(dep_delay) FROM flights)",
    "SELECT * FROM airlines WHERE carrier IN ('UA', 'AA') UNION BY NAME SELECT * FROM "
    "airlines WHERE carrier = 'B6'",
    "SELECT month, SUM(n) FILTER (WHERE origin='JFK') jfk FROM (SELECT month, origin, "
    "COUNT(*) n FROM flights GROUP BY ALL) GROUP BY month",
    "SELECT greatest(1, 2), least(1, NULL, 3), isnan('nan'::FLOAT), isinf(1.0)",
    "SELECT bar(5, 0, 10, 10), format('{:.2f}', 1.234), printf('%d', 3)",
    "SELECT MIN(dep_time), MAX(dep_time), MIN_BY(carrier, dep_delay) FROM flights",
    "SELECT quantile(dep_delay, 0.5), quantile(dep_delay, [0.1,0.9]) FROM flights",
    "SELECT f.carrier, f.flight FROM flights f WHERE (f.carrier, f.dep_delay) IN (SELECT "
    "carrier, MAX(dep_delay) FROM flights GROUP BY carrier)",
    "SELECT origin, RANK() OVER (ORDER BY COUNT(*) DESC) FROM flights GROUP BY origin",
    "SELECT count(*) FROM (SELECT DISTINCT origin, dest FROM flights)",
    "SELECT a.faa, a.lat, "
    "2*6371*asin(sqrt(pow(sin(radians(a.lat-40.6)/2),2)+cos(radians(40.6))*"
    "cos(radians(a.lat))*pow(sin(radians(a.lon+73.8)/2),2))) "
    "d FROM airports a ORDER BY d LIMIT 5",
    "SELECT x.value FROM (SELECT unnest([1,2,3]) AS value) x",
    "SELECT strftime(make_date(2013, month, 1), '%B') FROM flights GROUP BY 1",
    "SELECT CASE WHEN dep_delay BETWEEN 0 AND 15 THEN 'a' ELSE 'b' END b, count(*) FROM "
    "flights GROUP BY b",
    "SELECT corr(a,b) FROM (VALUES (1,2),(3,4)) t(a,b)",
    "SELECT substring('abc' FROM 2 FOR 1), position('b' IN 'abc'), trim(BOTH ' ' FROM ' x "
    "'), overlay('abc' PLACING 'x' FROM 1 FOR 1)",
    "SELECT json_extract('{\"a\":{\"b\":1}}', '$.a.b'), '{\"a\":1}'::JSON->>'a', "
    "'{\"a\":1}'::JSON->'$.a'",
    'SELECT sum(distance) / 1000000 AS "million miles" FROM flights',
    "SELECT DISTINCT carrier FROM flights WHERE NOT EXISTS (SELECT * FROM airlines a WHERE "
    "a.carrier = flights.carrier)",
    "SELECT max(time_hour) FILTER (carrier='UA') FROM flights",
    "SELECT carrier c, avg(dep_delay) d FROM flights WHERE c = 'UA' GROUP BY c",
    "SELECT $$it's$$, $t$a$b$t$, 'a\\\\b'",
    "SELECT to_days(3), to_hours(2), to_months(1)",
)
