{#
    Conversions between local time and UTC, both as naive timestamps, so that no result depends on the time zone of the
    session.
#}

{# Local time of a UTC time. #}
{% macro utc_to_local(utc) -%}
    {{ adapter.dispatch('utc_to_local', 'data_stack')(utc) }}
{%- endmacro %}

{#
    UTC time of a local time: the later one of a local time that occurs twice (autumn). A local time that does not exist
    (spring) counts as one hour later.
#}
{% macro latest_utc(local) -%}
    {{ adapter.dispatch('latest_utc', 'data_stack')(local) }}
{%- endmacro %}

{# Whether a local time occurs twice, because the UTC time one hour earlier has the same local time. #}
{% macro occurs_twice(utc, local) -%}
    {{ utc_to_local(dbt.dateadd('hour', -1, utc)) }} = {{ local }}
{%- endmacro %}

{# Weekday of a date or timestamp, 1 (Monday) to 7 (Sunday), as an integer. #}
{% macro iso_weekday(day) -%}
    {{ adapter.dispatch('iso_weekday', 'data_stack')(day) }}
{%- endmacro %}
