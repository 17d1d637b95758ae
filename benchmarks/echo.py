"""The least that a Flask app can do with JSON: parse a body, and answer with about a kilobyte."""

from __future__ import annotations

from typing import Any

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.post("/echo")
def echo() -> Any:
    numbers = request.get_json()["x"]
    nodes = [{"id": i, "op": "mul", "data": x, "grad": 1.0} for i, x in enumerate(numbers)]
    return jsonify(total=sum(numbers), nodes=nodes)


@app.get("/api/v1/health/ready")
def ready() -> Any:
    """Where Nudge tells that it is ready, so that both are waited for alike."""
    return "ready"
