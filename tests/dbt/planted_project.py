"""Models that only tests have, one of each kind, beside what the dbt project has without any source.

They read a table that the test writes into the build file.
"""

from pathlib import Path

import duckdb
from parsed_project import copy_shared_project

from data_stack.settings import Settings

FILES = {
    "macros/planted.sql": """
{% macro planted_label() %}{{ adapter.dispatch('planted_label', 'data_stack')() }}{% endmacro %}
{% macro duckdb__planted_label() %}'built'{% endmacro %}
{% macro spark__planted_label() %}'spark'{% endmacro %}
""",
    "seeds/planted_codes.csv": "code,name\n1,one\n",
    "models/staging/_planted__sources.yml": """
sources:
  - name: planted
    schema: planted
    tables:
      - name: payments
""",
    "models/staging/stg_planted.sql": "select id, kind, amount from {{ source('planted', 'payments') }}\n",
    "models/staging/stg_planted.yml": """
models:
  - name: stg_planted
    description: One row per payment.
    columns:
      - name: id
        data_type: varchar
        data_tests:
          - unique
      - name: kind
        data_type: varchar
        data_tests:
          - accepted_values:
              arguments: {values: [regular]}
              config: {severity: warn}
      - name: amount
        data_type: integer
""",
    "models/core/fct_planted.sql": """
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail') }}
select id, amount > 60 as is_large, {{ planted_label() }} as label from {{ ref('stg_planted') }}
{% if is_incremental() %}
where id not in (select id from {{ this }})
{% endif %}
""",
    "models/core/fct_planted.yml": """
models:
  - name: fct_planted
    description: One row per payment.
    columns:
      - {name: id, data_type: varchar}
      - {name: is_large, data_type: boolean}
      - {name: label, data_type: varchar}
""",
    "models/core/dim_planted.sql": "select code, name from {{ ref('planted_codes') }}\n",
    "models/core/dim_planted.yml": """
models:
  - name: dim_planted
    description: One row per code.
    columns:
      - {name: code, data_type: integer}
      - {name: name, data_type: varchar}
""",
    "models/marts/mart_planted.sql": "select count(*) as payments from {{ ref('fct_planted') }}\n",
    "models/marts/mart_planted.yml": """
models:
  - name: mart_planted
    description: One row.
    columns:
      - {name: payments, data_type: bigint}
""",
    "models/marts/mart_planted_unit_tests.yml": """
unit_tests:
  - name: every_payment_counts
    model: mart_planted
    given:
      - input: ref('fct_planted')
        rows:
          - {id: a}
          - {id: b}
    expect:
      rows:
        - {payments: 2}
""",
    "tests/assert_planted.sql": "select * from {{ ref('mart_planted') }} where payments < 0\n",
}


def write_project(folder: Path) -> None:
    """Write a dbt project of the models and of what all sources share."""
    copy_shared_project(folder)
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip())


def pay(settings: Settings, *payments: tuple[str, str, int]) -> None:
    """Write the table that the models read: payments by id, kind and amount, instead of the earlier ones."""
    with duckdb.connect(str(settings.build_file)) as db:
        db.execute("create schema if not exists planted")
        db.execute("create or replace table planted.payments (id varchar, kind varchar, amount integer)")
        db.executemany("insert into planted.payments values (?, ?, ?)", payments)
