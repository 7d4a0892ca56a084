{#
    Conversions between local time and UTC, both as naive timestamps. A TIMESTAMPTZ exists only inside an expression, so
    no result depends on the time zone of the session.
    DuckDB reads a local time that occurs twice (autumn) as the later one, and moves a local time that does not exist
    (spring) forward by one hour.
#}

{% macro utc_to_local(utc) -%}
    timezone('{{ var("local_time_zone") }}', timezone('UTC', {{ utc }}))
{%- endmacro %}

{% macro latest_utc(local) -%}
    timezone('UTC', timezone('{{ var("local_time_zone") }}', {{ local }}))
{%- endmacro %}

{# Whether a local time occurs twice, because the UTC time one hour earlier has the same local time. #}
{% macro occurs_twice(utc, local) -%}
    {{ utc_to_local(utc ~ " - interval 1 hour") }} = {{ local }}
{%- endmacro %}
