"""Reads Prometheus' expressions, as far as ours go: syntax, types, and what is asked for.

After the grammar in Prometheus' documentation ("Querying", "Operators", "Functions").
"""

import re
from dataclasses import dataclass, field

SCALAR, VECTOR, RANGE, STRING = "scalar", "vector", "range", "string"
# What functions take and give.
FUNCTIONS = {
    "absent": ((VECTOR,), VECTOR),
    "histogram_quantile": ((SCALAR, VECTOR), VECTOR),
    "increase": ((RANGE,), VECTOR),
    "label_replace": ((VECTOR, STRING, STRING, STRING, STRING), VECTOR),
    "last_over_time": ((RANGE,), VECTOR),
    "rate": ((RANGE,), VECTOR),
    "time": ((), SCALAR),
}
AGGREGATIONS = {"sum", "max", "min", "count", "avg"}
# The tightest last.
PRECEDENCE = [
    {"or"},
    {"and", "unless"},
    {"==", "!=", ">", "<", ">=", "<="},
    {"+", "-"},
    {"*", "/", "%"},
]
SETS = {"or", "and", "unless"}
TOKEN = re.compile(
    r"""\s*(?:
      (?P<duration>[0-9]+(?:ms|[smhdwy])\b) | (?P<number>[0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?\b)
    | (?P<string>"(?:[^"\\]|\\.)*") | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%=<>(){}\[\],])
    )""",
    re.VERBOSE,
)


class SyntaxMistake(ValueError):
    """The expression is none."""


@dataclass
class Asked:
    """What an expression asks for.

    Attributes:
        metrics: names with the labels that their matchers name.
        grouped: labels that aggregations keep and operators match on.
        made: labels that label_replace makes.
    """

    metrics: list[tuple[str, set[str]]] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)


def parse(text: str) -> Asked:
    """Reads a whole expression, which has to give a vector.

    Raises:
        SyntaxMistake: it is none.
    """
    parser = _Parser(text)
    kind = parser.binary(0)
    if parser.peek():
        raise SyntaxMistake(f"what is left: {parser.tokens[:5]}")
    if kind != VECTOR:
        raise SyntaxMistake(f"gives a {kind}")
    return parser.asked


class _Parser:
    def __init__(self, text: str):
        self.tokens: list[tuple[str, str]] = []
        self.asked = Asked()
        position = 0
        text = text.rstrip()
        while position < len(text):
            found = TOKEN.match(text, position)
            if not found:
                raise SyntaxMistake(f"at {text[position : position + 20]!r}")
            self.tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            position = found.end()

    def peek(self) -> str:
        return self.tokens[0][1] if self.tokens else ""

    def take(self, wanted: str = "", kind: str = "") -> str:
        if not self.tokens:
            raise SyntaxMistake("it ends too early")
        found, text = self.tokens.pop(0)
        if (wanted and text != wanted) or (kind and found != kind):
            raise SyntaxMistake(f"expected {wanted or kind}, found {text}")
        return text

    def binary(self, level: int) -> str:
        if level == len(PRECEDENCE):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in PRECEDENCE[level]:
            operator = self.take()
            if self.peek() in ("on", "ignoring"):
                self.take()
                self.asked.grouped |= set(self.names())
            right = self.binary(level + 1)
            if {left, right} - {SCALAR, VECTOR} or (operator in SETS and SCALAR in (left, right)):
                raise SyntaxMistake(f"{left} {operator} {right}")
            left = VECTOR if VECTOR in (left, right) else SCALAR
        return left

    def unary(self) -> str:
        if self.peek() in ("-", "+"):
            self.take()
        return self.postfix(self.primary())

    def postfix(self, kind: str) -> str:
        if self.peek() == "[":
            self.take()
            self.take(kind="duration")
            self.take("]")
            if kind != VECTOR:
                raise SyntaxMistake(f"a range of a {kind}")
            kind = RANGE
        if self.peek() == "offset":
            self.take()
            self.take(kind="duration")
        return kind

    def primary(self) -> str:
        kind, text = self.tokens[0] if self.tokens else ("", "")
        if kind in ("number", "string"):
            self.take()
            return SCALAR if kind == "number" else STRING
        if text == "(":
            self.take()
            inner = self.binary(0)
            self.take(")")
            return inner
        name = self.take(kind="name")
        if name in AGGREGATIONS:
            return self.aggregation()
        if self.peek() == "(":
            return self.call(name)
        return self.selector(name)

    def aggregation(self) -> str:
        if self.peek() in ("by", "without"):
            self.take()
            self.asked.grouped |= set(self.names())
        self.take("(")
        if self.binary(0) != VECTOR:
            raise SyntaxMistake("an aggregation of no vector")
        self.take(")")
        return VECTOR

    def call(self, name: str) -> str:
        if name not in FUNCTIONS:
            raise SyntaxMistake(f"no function {name}")
        takes, gives = FUNCTIONS[name]
        self.take("(")
        given, texts = [], []
        while self.peek() != ")":
            texts.append(self.peek().strip('"'))
            given.append(self.binary(0))
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        if tuple(given) != takes:
            raise SyntaxMistake(f"{name} takes {takes}, found {tuple(given)}")
        if name == "label_replace":
            self.asked.made.add(texts[1])
            self.asked.grouped.add(texts[3])
        return gives

    def selector(self, name: str) -> str:
        labels = set()
        if self.peek() == "{":
            self.take()
            while self.peek() != "}":
                labels.add(self.take(kind="name"))
                if self.take() not in ("=", "!=", "=~", "!~"):
                    raise SyntaxMistake(f"matcher of {name}")
                re.compile(self.take(kind="string"))
                if self.peek() != "}":
                    self.take(",")
            self.take("}")
        self.asked.metrics.append((name, labels))
        return VECTOR

    def names(self) -> list[str]:
        self.take("(")
        found = []
        while self.peek() != ")":
            found.append(self.take(kind="name"))
            if self.peek() != ")":
                self.take(",")
        self.take(")")
        return found
