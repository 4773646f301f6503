"""Hold an answer against what /openapi.json promises: every answer in these tests is."""

from edgecat.serve.openapi import API

_KINDS = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None),
    "array": list, "object": dict,
}  # fmt: skip


def check_answer(method, path, status, kind, body):
    """Fail where an answer is not as the document has it; what it has not is refused as such.

    Args:
        kind: The Content-Type.
        body: Of JSON, the decoded value.
    """
    operations = API["paths"].get(path.partition("?")[0], {})
    operation = operations.get(method.lower())
    if operation is None:
        assert (status, body["error"]["code"]) in {
            (404, "not_found"), (405, "wrong_method"), (400, "wrong_host"),
            (401, "unauthorized"), (431, "head_too_large"),
        }  # fmt: skip
        return
    assert str(status) in operation["responses"], f"{method} {path}: {status} {body}"
    ((promised, content),) = operation["responses"][str(status)]["content"].items()
    assert kind.partition(";")[0] == promised
    if promised == "application/json":
        check_value(body, content["schema"], f"{method} {path}: {status}")


def check_value(value, schema, where):
    """Fail where a value is not as a schema has it, or has a key that the schema lacks."""
    if "$ref" in schema:
        schema = API["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert schema.keys() <= {
        "type", "properties", "required", "additionalProperties", "items", "anyOf", "enum",
        "const", "description",
    }, where  # fmt: skip
    if "anyOf" in schema:
        assert any(is_valid(value, option, where) for option in schema["anyOf"]), where
    if "enum" in schema:
        assert value in schema["enum"], where
    if "const" in schema:
        assert value == schema["const"], where
    if "type" in schema:
        is_bool_for_number = isinstance(value, bool) and schema["type"] != "boolean"
        assert isinstance(value, _KINDS[schema["type"]]) and not is_bool_for_number, where
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema["required"]) <= value.keys() <= schema["properties"].keys(), where
    if isinstance(value, dict):
        others = schema.get("additionalProperties", {})
        for key, item in value.items():
            check_value(item, schema.get("properties", {}).get(key, others), f"{where}: {key}")
    if isinstance(value, list):
        for item in value:
            check_value(item, schema.get("items", {}), f"{where}: an item")


def is_valid(value, schema, where):
    try:
        check_value(value, schema, where)
    except AssertionError:
        return False
    return True
