# SPDX-License-Identifier: Apache-2.0
"""The part of JSON Schema that our OpenAPI document uses, for tests: written apart from the
service's own validator, so that one checks the other."""


def resolve(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None)}


def is_type(name, value):
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, TYPES[name])


def check(document, node, value, where=""):
    """A list of what is wrong."""
    node, out = resolve(document, node), []
    kinds = node.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_type(k, value) for k in kinds):
        return [f"{where}: {value!r} is no {kinds}"]
    if "enum" in node and value not in node["enum"]:
        out.append(f"{where}: {value!r} is none of {node['enum']}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < node.get("minimum", value) or value > node.get("maximum", value):
            out.append(f"{where}: {value} is out of range")
    if isinstance(value, (str, list)):
        least, most = ("minLength", "maxLength") if isinstance(value, str) else ("minItems", "maxItems")
        if len(value) < node.get(least, 0) or len(value) > node.get(most, len(value)):
            out.append(f"{where}: length {len(value)}")
    if isinstance(value, list) and "items" in node:
        for i, item in enumerate(value):
            out += check(document, node["items"], item, f"{where}/{i}")
    if isinstance(value, dict):
        known = node.get("properties", {})
        out += [f"{where}: lacks {name}" for name in node.get("required", []) if name not in value]
        for name, item in value.items():
            rest = node.get("additionalProperties", True)
            if name in known:
                out += check(document, known[name], item, f"{where}/{name}")
            elif rest is False:
                out.append(f"{where}: {name} is not known")
            elif isinstance(rest, dict):
                out += check(document, rest, item, f"{where}/{name}")
    return out
