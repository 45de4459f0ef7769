"""The schemas are JSON Schema 2020-12, and the jsonschema package finds documents of the program to be as they say."""

import json

from jsonschema import Draft202012Validator

from program import ROOT, faces, hallucinet, model

SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "schemas").glob("*.json"))}
for name, schema in SCHEMAS.items():
    Draft202012Validator.check_schema(schema)
print(f"{len(SCHEMAS)} schemas are well-formed")

run, (high, _) = model("fast"), faces()
picture = sorted(high.rglob("*.png"))[0]
for name, words in {
    "data-info": ["data", "info", high],
    "eval": ["eval", "--model", run, "--data", high],
    "verify": ["verify", "--model", run, picture, picture, "--threshold", "0.5"],
    "plan": ["plan", "--preset", "quick"],
    "doctor": ["doctor"],
}.items():
    Draft202012Validator(SCHEMAS[name]).validate(hallucinet(*words))
    print(f"{name} is as its schema says")
