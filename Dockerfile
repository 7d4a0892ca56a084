# One base, five targets: pipeline (the steps), airflow (the steps and Airflow), api (the HTTP API), streamlit (the pages),
# spark (Java and Spark, for the profile of that name).
# Packages come before the source, so that a change of the source installs nothing again. `airflow` and `api` build on
# the packages of `pipeline`, so that the three share their largest layer. uv is mounted and not part of the images.

FROM python:3.11-slim AS uv
RUN pip install --no-cache-dir uv==0.13.8 && cp "$(command -v uv)" /uv

FROM python:3.11-slim AS base
# imports take most of the start of a step: bytecode is compiled here, because the containers' user cannot write it
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DATA_DIR=/app/data \
    GX_ANALYTICS_ENABLED=false \
    UV_CACHE_DIR=/var/cache/uv \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON=python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=true
WORKDIR /app
# a new volume gets the owner of the folder that it is mounted on
RUN useradd --uid 10001 --create-home app && install --directory --owner app --group app /app/data /app/.cache

FROM base AS pipeline-packages
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    uv sync --quiet --locked --no-install-project --no-default-groups --group pipeline --group lake --group postgres \
    --group spark --no-install-package pyspark

FROM pipeline-packages AS airflow-packages
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    uv sync --quiet --locked --no-install-project --no-default-groups --group airflow --group containers --group workers --group lake --group postgres \
    --group spark --no-install-package pyspark

# with the pipeline, because it shows the lineage of the whole project
FROM pipeline-packages AS api-packages
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    uv sync --quiet --locked --no-install-project --no-default-groups --group pipeline --group postgres --group serving

FROM base AS streamlit-packages
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    uv sync --quiet --locked --no-install-project --no-default-groups --group app --group postgres

FROM base AS spark-packages
# Debian removes a version from its archive with the next security update, so a pinned one could not be installed
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends openjdk-17-jre-headless && rm -r /var/lib/apt/lists/*
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \
    --mount=type=bind,source=uv.lock,target=uv.lock \
    uv sync --quiet --locked --no-install-project --no-default-groups --group spark

FROM pipeline-packages AS pipeline
COPY . .
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv sync --quiet --locked --no-default-groups --group pipeline --group lake --group postgres \
    --group spark --no-install-package pyspark \
    && python -m compileall -q ./*/
USER 10001
ENTRYPOINT ["data-stack"]
CMD ["run"]

FROM airflow-packages AS airflow
COPY . .
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv sync --quiet --locked --no-default-groups --group airflow --group containers --group workers --group lake --group postgres \
    --group spark --no-install-package pyspark \
    && python -m compileall -q ./*/ \
    && install --directory --owner app --group app /var/lib/airflow /var/lib/airflow/logs
USER 10001
ENV AIRFLOW_HOME=/var/lib/airflow
CMD ["airflow", "version"]

FROM api-packages AS api
COPY . .
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv sync --quiet --locked --no-default-groups --group pipeline --group postgres --group serving && python -m compileall -q ./*/
USER 10001
# only the interface of the container can be reached from outside of it; compose publishes the port on loopback
CMD ["data-stack", "api", "serve", "--host=0.0.0.0", "--port=8510"]

FROM streamlit-packages AS streamlit
COPY . .
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv sync --quiet --locked --no-default-groups --group app --group postgres && python -m compileall -q ./*/
USER 10001
# .streamlit/config.toml listens on loopback, which cannot be reached from outside the container
CMD ["streamlit", "run", "streamlit_app/Home.py", "--server.address=0.0.0.0"]

FROM spark-packages AS spark
COPY . .
RUN --mount=type=bind,from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    uv sync --quiet --locked --no-default-groups --group spark \
    && python -m compileall -q ./*/ \
    && install --directory --owner app --group app /var/lib/spark
USER 10001
# one role of the cluster per container: metastore, master, worker, thrift
ENTRYPOINT ["python", "-m", "dbt_runner.cluster", "serve"]
