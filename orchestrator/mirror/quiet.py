"""Settings with which MLflow says what matters, and soon."""

from __future__ import annotations

# The defaults wait for minutes before they say that a server is missing, and print two lines a run.
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
# MLflow's server imports a module of Starlette that warns of its end; nobody who runs a sweep can do anything about it.
DEAF = "ignore:starlette.middleware.wsgi is deprecated"
