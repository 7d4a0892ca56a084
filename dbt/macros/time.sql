{#
    Wall clock of the local zone <-> UTC, both as naive timestamps: a TIMESTAMPTZ exists only inside an expression, so
    that no result depends on the time zone of the session.
    DuckDB reads a wall-clock time that occurs twice (autumn) as the later one, and moves one that does not exist
    (spring) forward by an hour.
#}

{% macro utc_to_local(utc) -%}
    timezone('{{ var("local_time_zone") }}', timezone('UTC', {{ utc }}))
{%- endmacro %}

{% macro latest_utc(local) -%}
    timezone('UTC', timezone('{{ var("local_time_zone") }}', {{ local }}))
{%- endmacro %}

{# Whether the hour before the given UTC time shows the same wall clock: the time occurs twice. #}
{% macro occurs_twice(utc, local) -%}
    {{ utc_to_local(utc ~ " - interval 1 hour") }} = {{ local }}
{%- endmacro %}
