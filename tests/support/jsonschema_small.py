"""As much of JSON Schema 2020-12 as an OpenAPI 3.1 document needs. An unknown keyword is an error, not ignored."""
import re

ANNOTATIONS = {"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "format",
               "contentMediaType", "$comment", "discriminator", "externalDocs", "xml"}
KEYWORDS = {"type", "enum", "const", "properties", "required", "additionalProperties", "propertyNames", "items",
            "prefixItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "minimum",
            "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties", "oneOf",
            "anyOf", "allOf", "not", "$ref"}
TYPES = {
    "object": lambda x: isinstance(x, dict),
    "array": lambda x: isinstance(x, list),
    "string": lambda x: isinstance(x, str),
    "boolean": lambda x: isinstance(x, bool),
    "null": lambda x: x is None,
    "number": lambda x: isinstance(x, (int, float)) and not isinstance(x, bool),
    "integer": lambda x: not isinstance(x, bool) and (isinstance(x, int) or isinstance(x, float) and x.is_integer()),
}


class Unknown(Exception):
    """The schema uses something this validator does not know."""


def resolve(document, node):
    """The node itself, or what its $ref names within the document."""
    seen = set()
    while isinstance(node, dict) and "$ref" in node:
        ref = node["$ref"]
        if not ref.startswith("#/") or ref in seen:
            raise Unknown(f"$ref {ref}")
        seen.add(ref)
        node = document
        for part in ref[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def same(a, b):
    """Equality where true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b or TYPES["number"](a) and TYPES["number"](b) and a == b


def errors(document, schema, value, at=""):
    """What is wrong with a value, as a list of texts; document is where $ref points into."""
    if schema is True:
        return []
    if schema is False:
        return [f"{at}: nothing is allowed here"]
    unknown = set(schema) - KEYWORDS - ANNOTATIONS - {k for k in schema if k.startswith("x-")}
    if unknown:
        raise Unknown(f"{at}: {sorted(unknown)}")
    found = []
    if "$ref" in schema:
        found += errors(document, resolve(document, {"$ref": schema["$ref"]}), value, at)

    def check(good, text):
        if not good:
            found.append(f"{at or '/'}: {text}, is {value!r:.80}")

    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        check(any(TYPES[t](value) for t in types), f"must be {' or '.join(types)}")
    if "enum" in schema:
        check(any(same(value, x) for x in schema["enum"]), f"must be one of {schema['enum']}")
    if "const" in schema:
        check(same(value, schema["const"]), f"must be {schema['const']!r}")
    if isinstance(value, dict):
        found += _of_object(document, schema, value, at, check)
    elif isinstance(value, list):
        found += _of_array(document, schema, value, at, check)
    elif isinstance(value, str):
        check(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)), "has a bad length")
        check("pattern" not in schema or re.search(schema["pattern"], value), f"must match {schema.get('pattern')}")
    elif TYPES["number"](value):
        check("minimum" not in schema or value >= schema["minimum"], "is below the minimum")
        check("maximum" not in schema or value <= schema["maximum"], "is above the maximum")
        check("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"], "is too small")
        check("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"], "is too large")
        check("multipleOf" not in schema or value % schema["multipleOf"] == 0, "is no multiple")
    for part in schema.get("allOf", []):
        found += errors(document, part, value, at)
    for keyword, good in (("anyOf", lambda n: n >= 1), ("oneOf", lambda n: n == 1)):
        if keyword in schema:
            all_of = [errors(document, part, value, at) for part in schema[keyword]]
            check(good(sum(not e for e in all_of)), f"{keyword} fits {sum(not e for e in all_of)}: {all_of}")
    if "not" in schema:
        check(errors(document, schema["not"], value, at), "must not fit")
    return found


def _of_object(document, schema, value, at, check):
    found = []
    for name in schema.get("required", []):
        check(name in value, f"must have {name}")
    check(schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)), "has a bad size")
    for name, member in value.items():
        if "propertyNames" in schema:
            found += errors(document, schema["propertyNames"], name, f"{at}/{name} (name)")
        if name in schema.get("properties", {}):
            found += errors(document, schema["properties"][name], member, f"{at}/{name}")
        else:
            found += errors(document, schema.get("additionalProperties", True), member, f"{at}/{name}")
    return found


def _of_array(document, schema, value, at, check):
    found = []
    check(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)), "has a bad length")
    check(not schema.get("uniqueItems") or not any(same(a, b) for i, a in enumerate(value) for b in value[:i]),
          "has an element twice")
    prefix = schema.get("prefixItems", [])
    for i, element in enumerate(value):
        found += errors(document, prefix[i] if i < len(prefix) else schema.get("items", True), element, f"{at}/{i}")
    return found
