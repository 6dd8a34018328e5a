# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The semantic layer
#
# What an agent reads before it writes SQL, and what SQL it may then write. Two analysts ask side by
# side: one sees every airline, the other United's flights only, and no tail numbers.

# %%
from saaf_autogen import Client, Principal, SaafError

scopes = frozenset({"semantic:read", "warehouse:query"})
everyone = Client(
    "..", principal=Principal(issuer="local", subject="ann", groups={"analysts"}, scopes=scopes)
)
united = Client(
    "..",
    principal=Principal(
        issuer="local",
        subject="uma",
        groups={"airline-analysts"},
        scopes=scopes,
        attributes={"carrier": "UA"},
    ),
)
analysts = {"everyone": everyone, "united": united}


def show(rows):
    """Rows as aligned text."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        print("  ".join(f"{cell!s:<{width}}" for cell, width in cells).rstrip())


# %% [markdown]
# ## What may I see?
# A table that no grant covers does not exist.

# %%
for name, saaf in analysts.items():
    tables = await saaf.semantic.tables()
    print(name, [f"{table['name']} ({table['columns']})" for table in tables])

# %% [markdown]
# ## Metadata by SQL
# `semantic.tables`, `.fields`, `.relationships`, `.metrics`, `.filters` and `.examples`, filled for
# each caller alone. The dialect is SQLite's.

# %%
metrics = await everyone.semantic.query(
    "SELECT name, expr FROM semantic.metrics WHERE table_name = :table", table="flights"
)
show([metric.values() for metric in metrics])

# %%
for name, saaf in analysts.items():
    (row,) = await saaf.semantic.query(
        """SELECT count(*) AS columns, max(column_name = 'tailnum') AS tailnum,
                  max(sample_values) FILTER (WHERE column_name = 'carrier') AS carriers
           FROM semantic.fields WHERE table_name = 'flights'"""
    )
    print(name, row)

# %% [markdown]
# ## The context of a question
# The tables that matter, of what this caller may see: columns, joins, hints, the names of metrics
# and filters, and verified queries nearby, to a budget of tokens.

# %%
question = "Which airline was late most often?"
context = await united.semantic.context(question, token_budget=600)
print(context["text"])

# %% [markdown]
# ## SQL with names of the semantic layer
# `AGG(metric)` stands for the metric's expression, a filter is a condition, a relationship joins.
# The same SQL gives each caller their own rows.

# %%
sql = """
SELECT a.name, AGG(flight_count) AS flights, round(AGG(avg_dep_delay), 1) AS late
FROM flights JOIN airlines AS a USING (flights_airlines)
WHERE NOT cancelled AND origin = :origin
GROUP BY a.name ORDER BY flights DESC LIMIT 3
"""
for name, saaf in analysts.items():
    result = await saaf.call("warehouse.query", sql=sql, parameters={"origin": "EWR"})
    print(name)
    show(result["rows"])

# %% [markdown]
# ## Refusals say what to do
# What is hidden and what never was are refused alike.

# %%
attempts = [
    (everyone, "SELECT AGG(avg_dep_delai) FROM flights"),
    (united, "SELECT tailnum FROM flights"),
    (united, "SELECT count(*) FROM planes"),
    (everyone, "SELECT AGG(flight_count) FROM flights JOIN weather USING (origin)"),
    (everyone, "DELETE FROM flights"),
]
for saaf, sql in attempts:
    try:
        await saaf.call("warehouse.query", sql=sql)
    except SaafError as refusal:
        print(sql, f"\n    {refusal.detail}\n    → {refusal.remedy}")

# %%
for saaf in analysts.values():
    await saaf.close()
