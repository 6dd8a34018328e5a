"""The words that the offline model knows: what says nothing, what means the same."""

from __future__ import annotations

__all__ = [
    "ARTICLES",
    "BEFORE_MONTH",
    "CLASS_OF",
    "DIRECTIONS",
    "ENGLISH",
    "GENERIC",
    "INFINITIVES",
    "LIGHT",
    "MONTHS",
    "NUMBER_WORDS",
    "ORDERED",
    "PHRASES",
    "STOP",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP = _words("""
a an the of in on at for with is are was were be been being do does did have has had which what
that this these those there it its me us i you we my our your please can could would tell show
give list find get want like know see let need all any hi hello hey thanks thank during so also am
go goes going went gone
""")
ARTICLES = _words("the a an")
# Stems that say nothing about what is counted or filtered.
LIGHT = _words("data dataset info operat fly run happen occur mak tak plac exist")
# Stems by which a verified question leaves a value open.
GENERIC = _words("given certain particular specific som chosen")
# Where these stand, the order of the words decides the meaning.
ORDERED = _words("gt lt gte lte than versu")
# A value after one of these is another value after a different one: from JFK, to JFK.
DIRECTIONS = _words("from to into via through before after since until")
INFINITIVES = _words("know see get find have be show learn hear understand")
BEFORE_MONTH = _words("in of for during since until from early late mid month")

PHRASES: dict[tuple[str, ...], str] = {
    ("how", "many"): "count",
    ("number", "of"): "count",
    ("how", "much"): "how-much",
    ("how", "long"): "how-long",
    ("how", "far"): "how-far",
    ("how", "often"): "how-often",
    ("no", "more", "than"): "lte",
    ("no", "less", "than"): "gte",
    ("no", "fewer", "than"): "gte",
    ("not", "more", "than"): "lte",
    ("more", "than"): "gt",
    ("greater", "than"): "gt",
    ("higher", "than"): "gt",
    ("longer", "than"): "gt",
    ("larger", "than"): "gt",
    ("less", "than"): "lt",
    ("fewer", "than"): "lt",
    ("lower", "than"): "lt",
    ("shorter", "than"): "lt",
    ("at", "least"): "gte",
    ("at", "most"): "lte",
    ("other", "than"): "not",
    ("apart", "from"): "not",
    ("aside", "from"): "not",
    ("out", "of"): "from",
    ("tail", "number"): "tailnum",
    ("tail", "numbers"): "tailnum",
}
_CLASSES = {
    "count": "count",
    "most": "most top highest largest biggest greatest maximum max busiest",
    "least": "fewest least lowest smallest minimum min bottom",
    "averag": "average averages averaged mean avg",
    "not": "not no never without except excluding exclude excludes besides neither nor non none "
    "nothing minus but unless",
    "per": "per each every by",
    "airlin": "airline airlines carrier carriers",
    "plan": "plane planes aircraft aircrafts airplane airplanes aeroplane aeroplanes",
    "shar": "share percentage percent proportion fraction %",
    "total": "total sum overall altogether",
    "depart": "leave leaves left leaving depart departs departed departing departure departures",
    "fly": "fly flies flew flown flying",
    "cancel": "cancel cancels cancelled canceled cancelling canceling cancellation cancellations",
    "gt": "over above exceeding exceed exceeds >",
    "lt": "under below <",
    "versu": "versus vs",
    "arriv": "arrival arrivals arrive arrives arrived arriving",
    "destin": "destination destinations dest",
    "temperatur": "temperature temperatures temp temps",
}
CLASS_OF = {word: name for name, said in _CLASSES.items() for word in said.split()}

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            _words("january jan"),
            _words("february feb"),
            _words("march mar"),
            _words("april apr"),
            _words("may"),
            _words("june jun"),
            _words("july jul"),
            _words("august aug"),
            _words("september sep sept"),
            _words("october oct"),
            _words("november nov"),
            _words("december dec"),
        ),
        start=1,
    )
    for name in names
}
_COUNTED = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty
"""
NUMBER_WORDS = {word: number for number, word in enumerate(_COUNTED.split(), start=1)}
# Codes that are also English words are taken for codes only where they are written in capitals.
ENGLISH = _words("""
a ab ad add age ago aid air all am an and ann any are arm art as ask at ate aw ax ba bad bag ban
bar bat be bed bee bet bid big bit boy bud bug bur bus but buy by cab can cap car cat cow cry cup
cut dad dam day den did die dig dim do dog dot dry due ear eat egg end eye fan far fat fee few fig
fin fit fix flu fly fog for fox fun gap gas get go god got gun gut had has hat he her hid him his
hit hot how hub ice if ill in ink ion is it its jam jar jet job joy key kid kit lab lap law lay leg
let lie lit log lot low mad man map may me men met mix mob mom mud my net new no nor not now nut odd
of off oil ok old on one or ore our out owe own pan pay pen per pet pie pig pin pit pop pot put ran
rat raw red rid row run sad sat saw say sea see set she shy sin sit six sky so son sum sun tax tea
ten the tie tin tip to toe too top toy try two up us use van via war was way we web wet who why win
won yes yet you zip zoo
""")
