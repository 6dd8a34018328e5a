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
# # A first question
#
# The same question twice: in this process, and over REST. One line differs.
#
# The sample deployment's default model is no LLM: it answers questions that are near one of the
# semantic layer's verified queries, and says so. Name a real model in `saaf.yaml` and nothing
# else changes.

# %%
from saaf_autogen import Client

saaf = Client("..")

# %% [markdown]
# ## What may I see?
# Tables, columns and rows that no grant covers do not exist for the caller.

# %%
for table in await saaf.call("semantic.list_tables"):
    print(f"{table['name']:<10} {table['description']}")

# %% [markdown]
# ## Ask the warehouse directly
# One SELECT, guarded: it sees what the caller was granted, and nothing else.

# %%
result = await saaf.call(
    "warehouse.query",
    sql="SELECT origin, round(avg(dep_delay), 1) AS delay FROM flights GROUP BY origin ORDER BY 2",
)
result["rows"]

# %% [markdown]
# ## Ask the team
# A planner, an analyst and a reviewer. The events arrive while they work.

# %%
run = await saaf.runs.create("flights", "How late did Delta depart on average?")
async for event in run.stream():
    print(event["id"], event["type"], str(event["data"])[:90])

# %%
await run.wait(timeout_s=60)
print(run.output)

# %% [markdown]
# ## A single agent of your own, with the same actions as tools
# `saaf.workbench(...)` is an AutoGen workbench: what the caller may not do is not even offered.

# %%
from autogen_agentchat.agents import AssistantAgent

analyst = AssistantAgent(
    "analyst",
    saaf.model("default"),
    workbench=saaf.workbench("semantic.*", "warehouse.*"),
    max_tool_iterations=8,
    reflect_on_tool_use=True,
)
answer = await analyst.run(task="Which origin had the worst average departure delay?")
print(answer.messages[-1].content)

# %%
await saaf.close()

# %% [markdown]
# ## The same over REST
# Here the notebook starts a host of its own on a free port; yours is at
# `Client("https://saaf.example.com", client_id=…, client_secret=…)`. The calls do not change.

# %%
from saaf_autogen.testing import RunningHost

with RunningHost("..") as host:
    async with host.client("ua-analyst") as saaf:
        answer = await saaf.call(
            "warehouse.query",
            sql="SELECT carrier, count(*) AS flights FROM flights GROUP BY carrier",
        )
        print("An analyst of United's sees", answer["rows"])
        run = await saaf.runs.create("flights", "How late did UA depart on average?")
        print((await run.wait(timeout_s=60)).output)
