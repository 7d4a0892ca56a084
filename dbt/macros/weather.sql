{# Condition of a WMO code 4677; unknown without a code, or for a code that the provider does not define. #}
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

{# Band of a temperature in degrees Celsius, including its lower edge but not its upper one. #}
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
    Kind of precipitation of an hour: snow, or rain by its amount with the bounds of the weather services. A kind includes
    its lower edge but not its upper one. Null if the precipitation is not known.
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
