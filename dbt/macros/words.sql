{# Text without surrounding white space; nothing is null, not an empty text. #}
{% macro text_or_null(text) -%}
    nullif(regexp_replace({{ text }}, '^\s+|\s+$', '', 'g'), '')
{%- endmacro %}

{# WMO code 4677, as far as the provider uses it, in words; a code that it does not define is unknown, as is none. #}
{% macro weather_condition(code) -%}
    case
        when {{ code }} in (0, 1) then 'clear'
        when {{ code }} in (2, 3) then 'cloudy'
        when {{ code }} in (45, 48) then 'fog'
        when {{ code }} between 51 and 57 then 'drizzle'
        when {{ code }} between 61 and 67 or {{ code }} between 80 and 82 then 'rain'
        when {{ code }} between 71 and 77 or {{ code }} between 85 and 86 then 'snow'
        when {{ code }} between 95 and 99 then 'thunderstorm'
        else 'unknown'
    end
{%- endmacro %}

{# Band of a temperature in degrees Celsius; the lower edge belongs to the band, the upper one to the next. #}
{% macro temperature_band(temperature_c) -%}
    case
        when {{ temperature_c }} < 0 then 'below 0'
        when {{ temperature_c }} < 10 then '0 to 10'
        when {{ temperature_c }} < 20 then '10 to 20'
        when {{ temperature_c }} < 30 then '20 to 30'
        when {{ temperature_c }} >= 30 then '30 and above'
    end
{%- endmacro %}

{#
    Kind of precipitation of an hour: its snowfall in cm, or how heavy the rain is in mm, with the bounds of the weather services; the
    lower edge belongs to the kind, the upper one to the next. Not known without the precipitation.
#}
{% macro precipitation_kind(precipitation_mm, snowfall_cm) -%}
    case
        when {{ precipitation_mm }} is null then null
        when {{ precipitation_mm }} = 0 then 'dry'
        when {{ snowfall_cm }} > 0 then 'snow'
        when {{ precipitation_mm }} < 2.5 then 'light'
        when {{ precipitation_mm }} < 7.6 then 'moderate'
        else 'heavy'
    end
{%- endmacro %}
