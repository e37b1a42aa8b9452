#!/usr/bin/env bash
# One night through Airflow on this machine: DATE HOME IMPRESSIONS. `make airflow-run DATE=2026-01-05` calls it.
# DAG, operator and spark-submit are those of production; Spark's master is this machine. If HOME has no logs of the
# date, a small simulated day is served and logged first.
set -euo pipefail

date=$1 home=$2 impressions=$3
checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout"
if ! [[ $date =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || ! .venv/bin/python -c "import datetime, sys; datetime.date.fromisoformat(sys.argv[1])" "$date" 2>/dev/null; then
    echo "DATE: expected a date like 2026-01-05, got '$date': make airflow-run DATE=2026-01-05" >&2
    exit 2
fi
mkdir -p "$home"
home=$(cd "$home" && pwd)

spark_home=$(.venv/bin/python -c "import importlib.util; print(*importlib.util.find_spec('pyspark').submodule_search_locations)")

# Spark of .venv, for Airflow's tasks: an Airflow elsewhere finds its own spark-submit on PATH.
export SPARK_HOME=$spark_home
export PATH="$spark_home/bin:$PATH"
export PYSPARK_PYTHON="$checkout/.venv/bin/python"
export AIRFLOW_CONN_SPARK_DEFAULT='{"conn_type": "spark", "host": "local[2]"}'

# Airflow keeps to this checkout.
export AIRFLOW_HOME="$checkout/airflow-home"
export AIRFLOW__CORE__DAGS_FOLDER="$checkout/airflow_dags"
export AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__LOGGING__LOGGING_LEVEL=INFO

# Settings of the DAG.
export LTRR_PROJECT="$checkout"
export LTRR_HOME="$home"
export LTRR_HISTORY_STARTS="$date"

# A secret turns user ids into keys. A public one is right only for simulated users.
if [ -z "${LTRR_USER_KEY_SECRET:-}" ]; then
    echo "airflow-run: LTRR_USER_KEY_SECRET is not set; using a public one, for simulated users only"
    export LTRR_USER_KEY_SECRET="airflow-run: simulated users only"
fi

if ! [ -e "$home/logs/dt=$date/_SUCCESS" ]; then
    echo "airflow-run: $home has no closed logs of $date; serving and logging $impressions simulated impressions"
    .venv/bin/ltrr simulate --date "$date" --home "$home" --impressions "$impressions"
fi

echo "airflow-run: preparing Airflow's own database in airflow-home"
.venv-airflow/bin/airflow db migrate >"$AIRFLOW_HOME.log" 2>&1 || { tail -n 20 "$AIRFLOW_HOME.log" >&2; exit 1; }
rm -f "$AIRFLOW_HOME.log"

echo "airflow-run: airflow dags test ltrr_nightly $date"
.venv-airflow/bin/airflow dags test ltrr_nightly "$date" -c "{\"date\": \"$date\"}"
echo "airflow-run: the night of $date is done; tables, policies and MLflow's store are in $home"
