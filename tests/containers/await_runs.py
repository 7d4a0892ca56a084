"""Waits through REST until a number of runs of the DAG have succeeded, and prints what their last task logged.

Each line of a task is its name, its number of tries, and the host of the last one.

Runs inside the `airflow-api-server` container: the log was written in another one.
"""

import json
import os
import sys
import time
import urllib.request

SERVER = "http://localhost:8080"
RUNS = "/api/v2/dags/bike_weather_dag/dagRuns"
WANTED, PATIENCE_SECONDS = int(sys.argv[1]), 900


def ask(path: str, token: str | None = None, body: dict[str, str] | None = None) -> dict:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(SERVER + path, data, headers), timeout=30) as answer:
        return json.load(answer)


token = ask("/auth/token", body={"username": "admin", "password": os.environ["AIRFLOW_ADMIN_PASSWORD"]})["access_token"]
deadline = time.monotonic() + PATIENCE_SECONDS
states: list[str] = []
while states.count("success") < WANTED:
    if "failed" in states or time.monotonic() > deadline:
        sys.exit(f"runs: {states}")
    time.sleep(3)
    runs = ask(RUNS, token)["dag_runs"]
    states = [run["state"] for run in runs]
for run in runs:
    print(run["run_type"], run["dag_run_id"], run["state"], f"{run['duration']:.0f} s")
    for task in ask(f"{RUNS}/{run['dag_run_id']}/taskInstances", token)["task_instances"]:
        print("task", task["task_id"], task["try_number"], task["hostname"])
    log = ask(f"{RUNS}/{run['dag_run_id']}/taskInstances/report_held_back/logs/1", token)["content"]
    print(*(line["event"] for line in log if "readers see publication" in line["event"]))
